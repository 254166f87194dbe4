//! Reading vasprun.xml: its traps, its truncations, its numbers that are none.

use super::*;

fn file(calculation: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\r\n<modeling>\r\n <generator>\n<i name=\"program\" type=\"string\">vasp \
         </i><i name=\"version\" type=\"string\">6.3.0  </i></generator>\n<incar><i type=\"string\" name=\"SYSTEM\">a & b</i>\
         </incar><kpoints><varray name=\"kpointlist\"><v> 0 0 </v></varray></kpoints>\
         <parameters><separator name=\"electronic convergence\" ><i type=\"int\" name=\"NELM\">    40</i></separator>\
         <separator name=\"response functions\" ><i type=\"int\" name=\"NELM\">     1</i></separator></parameters>\
         <atominfo><atoms> 2 </atoms><array name=\"atoms\" ><dimension dim=\"1\">ion</dimension><set><rc><c>r </c><c>   1</c></rc>\
         <rc><c>Si</c><c>   2</c></rc></set></array><array name=\"atomtypes\" ><set><rc><c>   1</c><c>r </c><c> 91.2</c><c> 4</c>\
         <c>  PAW_PBE Zr_sv 04Jan2005</c></rc><rc><c>   1</c><c>Si</c><c> 28.1</c><c> 4</c><c>  PAW_PBE Si 05Jan2001</c></rc></set>\
         </array></atominfo><structure name=\"initialpos\" ><crystal><varray name=\"basis\" ><v> 5 0 0 </v><v> 0 5 0 </v>\
         <v> 0 0 5 </v></varray></crystal><varray name=\"positions\" ><v> 0 0 0 </v><v> 0.5 0.5 0.5 </v></varray></structure>\
         {calculation}</modeling>\n"
    )
}

const CALCULATION: &str = "<calculation><scstep><energy><i name=\"e_fr_energy\"> **************** </i></energy></scstep>\
    <scstep><energy><i name=\"e_fr_energy\"> -10.0 </i><i name=\"e_wo_entrp\"> -9.8 </i><i name=\"e_0_energy\"> -9.9 </i></energy>\
    </scstep><structure><crystal><varray name=\"basis\" ><v> 5 0 0 </v><v> 0 5 0 </v><v> 0 0 6 </v></varray></crystal>\
    <varray name=\"positions\" ><v> 0 0 0.1 </v><v> 0.5 0.5 0.5 </v></varray></structure><varray name=\"forces\" ><v> 0 0 1 </v>\
    <v> 0 0 -1 </v></varray><energy><i name=\"e_fr_energy\"> -11.0 </i><i name=\"e_wo_entrp\"> -0.1 </i>\
    <i name=\"e_0_energy\"> 77 </i></energy><eigenvalues><array><set><r> 1 *** </r></set></array></eigenvalues></calculation>";

#[test]
fn a_step_is_read_with_its_traps() {
    let run = Vasprun::read(file(CALCULATION).as_bytes()).unwrap();
    assert_eq!(run.header.version, "6.3.0");
    assert_eq!(run.header.most_electronic_steps, Some(40));
    let symbols: Vec<&str> = run.header.species.iter().map(|species| species.symbol()).collect();
    assert_eq!(symbols, ["Zr", "Si"]);
    let [step] = run.steps.as_slice() else {
        panic!("{}", run.steps.len())
    };
    assert_eq!(step.basis[2], [0.0, 0.0, 6.0]);
    assert_eq!(step.positions[0], [0.0, 0.0, 0.1]);
    assert_eq!((step.electronic_steps, step.free_energy), (2, -11.0));
    assert!((step.energy_to_zero + 10.9).abs() < 1e-12 && (step.entropy - 0.2).abs() < 1e-12);
    assert!(step.stress.is_none() && step.forces.as_ref().unwrap()[1] == [0.0, 0.0, -1.0]);
    assert!(run.converged(step) && !step.converged(2));
}

#[test]
fn every_truncation_is_told_and_none_is_a_step() {
    let whole = file(CALCULATION);
    let whole = whole.trim_end();
    for end in 0..whole.len() {
        let mut steps = 0;
        assert!(
            read_steps(&whole.as_bytes()[..end], |_, _| steps += 1).is_err(),
            "{end}"
        );
        assert!(steps == 0 || whole[..end].contains("</calculation>"), "{end}");
    }
}

#[test]
fn fields_that_hold_no_number_are_errors() {
    for bad in ["**********", "NaN", "Infinity"] {
        for place in ["-11.0", " 0 0 -1 ", "0.5 0.5 0.5"] {
            let bad = if place.len() > 6 {
                format!(" 0 0 {bad} ")
            } else {
                bad.to_owned()
            };
            let text = file(&CALCULATION.replacen(place, &bad, 1));
            assert!(Vasprun::read(text.as_bytes()).is_err(), "{place} {bad}");
        }
    }
    assert!(Vasprun::read(&b"<svg></svg>"[..]).is_err());
    assert!(Vasprun::read(&b""[..]).is_err());
}

#[test]
fn bytes_of_other_encodings_do_no_harm() {
    let mut bytes = file(CALCULATION).into_bytes();
    let at = bytes.windows(5).position(|window| window == b"a & b").unwrap();
    bytes[at] = 0xE9;
    assert_eq!(Vasprun::read(bytes.as_slice()).unwrap().steps.len(), 1);
}

#[test]
fn a_growing_file_gives_its_complete_steps() {
    let text = file(&[CALCULATION, CALCULATION].concat());
    let second = text.rfind("<calculation>").unwrap();
    let (header, steps) = read_growing(&text.as_bytes()[..second + 40]).unwrap();
    assert_eq!((header.species.len(), steps.len()), (2, 1));
    assert_eq!(read_piece(&text.as_bytes()[second..], &header).unwrap().len(), 1);
    assert_eq!(
        read_piece(&text.as_bytes()[second..second + 90], &header)
            .unwrap()
            .len(),
        0
    );
}
