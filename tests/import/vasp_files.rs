//! vasprun.xml and OUTCAR of runs of several steps, as VASP lays them out, with what versions and modes of running add.

use std::fmt::Write as _;

use slmc::formats::Frame;
use slmc::units::GPA_PER_EV_PER_CUBIC_ANGSTROM;

/// The energy of the electronic entropy: the free energy lies below the energy by it.
pub const ENTROPY: f64 = 0.002;

/// One ionic step.
pub struct Step<'a> {
    pub frame: &'a Frame,
    /// Electronic steps; none where VASP's own force field answered.
    pub electronic: usize,
    pub stress: bool,
}

/// A step that converged after nine electronic ones.
pub fn good(frame: &Frame) -> Step<'_> {
    Step {
        frame,
        electronic: 9,
        stress: true,
    }
}

/// What a version or a mode of running adds.
#[derive(Clone, Copy, Default)]
pub struct Layout {
    pub version: &'static str,
    /// Lines of `<incar>`.
    pub incar: &'static str,
    /// Elements before `<structure>` of each step.
    pub before: &'static str,
    /// Elements after the forces.
    pub after: &'static str,
    /// Entries of the ionic `<energy>` beside the three.
    pub energies: &'static str,
}

fn fractional(frame: &Frame) -> Vec<[f64; 3]> {
    let structure = &frame.structure;
    structure
        .positions
        .iter()
        .map(|p| structure.cell.fractional(*p))
        .collect()
}

fn kilobar(frame: &Frame) -> [[f64; 3]; 3] {
    let stress = frame.labels.as_ref().unwrap().stress.unwrap();
    stress.map(|row| row.map(|x| -10.0 * GPA_PER_EV_PER_CUBIC_ANGSTROM * x))
}

fn array(xml: &mut String, name: &str, rows: &[[f64; 3]]) {
    let _ = writeln!(xml, "  <varray name=\"{name}\" >");
    for [x, y, z] in rows {
        let _ = writeln!(xml, "   <v>{x:17.8}{y:17.8}{z:17.8} </v>");
    }
    *xml += "  </varray>\n";
}

fn structure(xml: &mut String, frame: &Frame) {
    *xml += "   <crystal>\n";
    array(xml, "basis", frame.structure.cell.vectors());
    *xml += "    <i name=\"volume\">    160.0 </i>\n   </crystal>\n";
    array(xml, "positions", &fractional(frame));
}

/// The text of a vasprun.xml whose INCAR or parameters allow 40 electronic steps.
pub fn vasprun(layout: Layout, steps: &[Step<'_>]) -> String {
    let first = steps[0].frame;
    let count = first.structure.len();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<modeling>\n <generator>\n  <i name=\"program\" type=\"string\">vasp </i>\n  <i \
         name=\"version\" type=\"string\">{}  </i>\n </generator>\n <incar>\n  <i type=\"string\" name=\"SYSTEM\">x &lt; y</i>\n{}\n \
         </incar>\n <kpoints>\n  <generation param=\"Gamma\">\n   <v type=\"int\" name=\"divisions\">       2        2        2 </v>\n  \
         </generation>\n  <varray name=\"kpointlist\" >\n   <v>       0.00000000       0.00000000       0.00000000 </v>\n  </varray>\n  <varray name=\"weights\" >\n   <v>       1.00000000 </v>\n  </varray>\n \
         </kpoints>\n <parameters>\n  <separator name=\"electronic\" >\n   <i type=\"string\" name=\"PREC\">accurate</i>\n   <i \
         name=\"ENMAX\">    300.00000000</i>\n   <separator name=\"electronic convergence\" >\n    <i type=\"int\" name=\"NELM\">    \
         40</i>\n   </separator>\n  </separator>\n  <separator name=\"response functions\" >\n   <i type=\"int\" name=\"NELM\">     1</i>\n  \
         </separator>\n </parameters>\n <atominfo>\n  <atoms>{count:8} </atoms>\n  <types>       1 </types>\n  <array name=\"atoms\" >\n   \
         <dimension dim=\"1\">ion</dimension>\n   <field type=\"string\">element</field>\n   <field type=\"int\">atomtype</field>\n   <set>\n",
        layout.version, layout.incar
    );
    for _ in 0..count {
        xml += "    <rc><c>Si</c><c>   1</c></rc>\n";
    }
    xml += "   </set>\n  </array>\n  <array name=\"atomtypes\" >\n   <dimension dim=\"1\">type</dimension>\n   <field \
            type=\"int\">atomspertype</field>\n   <field type=\"string\">element</field>\n   <field>mass</field>\n   <field>valence</field>\n   \
            <field type=\"string\">pseudopotential</field>\n   <set>\n";
    let _ = writeln!(
        xml,
        "    <rc><c>{count:4}</c><c>Si</c><c>     28.08500000</c><c>      4.00000000</c><c>  PAW_PBE Si 05Jan2001             </c></rc>"
    );
    xml += "   </set>\n  </array>\n </atominfo>\n <structure name=\"initialpos\" >\n";
    structure(&mut xml, first);
    xml += " </structure>\n";
    for step in steps {
        calculation(&mut xml, layout, step);
    }
    xml += " <structure name=\"finalpos\" >\n";
    structure(&mut xml, steps[steps.len() - 1].frame);
    xml += " </structure>\n</modeling>\n";
    xml
}

fn calculation(xml: &mut String, layout: Layout, step: &Step<'_>) {
    let labels = step.frame.labels.as_ref().unwrap();
    let energy = labels.energy;
    *xml += " <calculation>\n";
    for electronic in 1..=step.electronic {
        let now = energy + 0.5_f64.powi(3 * electronic as i32) * f64::from(u8::from(electronic < step.electronic));
        let _ = writeln!(
            xml,
            "  <scstep>\n   <time name=\"dav\">    0.01    0.01</time>\n   <time name=\"total\">    0.02    0.02</time>\n   <energy>\n    <i \
             name=\"alphaZ\">      4.18262125 </i>\n    <i name=\"ewald\">   -190.0 </i>\n    <i name=\"e_fr_energy\">{now:16.8} </i>\n    <i \
             name=\"e_wo_entrp\">{:16.8} </i>\n    <i name=\"e_0_energy\">{:16.8} </i>\n   </energy>\n  </scstep>",
            now + ENTROPY,
            now + 0.5 * ENTROPY
        );
    }
    *xml += layout.before;
    *xml += "  <structure>\n";
    structure(xml, step.frame);
    *xml += "  </structure>\n";
    array(xml, "forces", labels.forces.as_ref().unwrap());
    if step.stress {
        array(xml, "stress", &kilobar(step.frame));
    }
    *xml += layout.after;
    let _ = writeln!(
        xml,
        "  <energy>\n   <i name=\"e_fr_energy\">{energy:16.8} </i>\n   <i name=\"e_wo_entrp\">{:16.8} </i>\n   <i \
         name=\"e_0_energy\">{:16.8} </i>\n{}  </energy>\n  <time name=\"totalsc\">    0.30    0.30</time>\n </calculation>",
        energy + ENTROPY,
        energy + 0.5 * ENTROPY,
        layout.energies
    );
}

/// The text of an OUTCAR that allows 40 electronic steps. `said` gives lines after the electronic steps of each ionic one.
pub fn outcar(steps: &[Step<'_>], said: impl Fn(usize) -> String) -> String {
    let count = steps[0].frame.structure.len();
    let mut text = format!(
        " vasp.6.3.0 20Jan22 (build Nov 17 2021 16:16:37) complex\n POTCAR:    PAW_PBE Si 05Jan2001\n   VRHFIN =Si: s2p2\n   LEXCH  = PE\n   \
         TITEL  = PAW_PBE Si 05Jan2001\n   ions per type =            {count:4}\n   number of dos      NEDOS =    301   number of ions     \
         NIONS = {count:6}\n   ISPIN  =      1    spin polarized calculation?\n   ENCUT  =  300.0 eV  22.05 Ry\n   NELM   =     40;   \
         NELMIN=  2; NELMDL= -5     # of ELM steps\n   ISMEAR =     0;   SIGMA  =   0.05  broadening in eV\n"
    );
    for (index, step) in steps.iter().enumerate() {
        let labels = step.frame.labels.as_ref().unwrap();
        let energy = labels.energy;
        for electronic in 1..=step.electronic {
            let _ = writeln!(
                text,
                "\n--------------------------------------- Iteration {:6}({electronic:4})  ---------------------------------------\n  free energy    \
                 TOTEN  = {:18.8} eV\n  energy without entropy = {:18.8}  energy(sigma->0) = {:18.8}",
                index + 1,
                energy + 0.1,
                energy + 0.1,
                energy + 0.1
            );
        }
        text += &said(index);
        let k = kilobar(step.frame);
        let _ = writeln!(
            text,
            "\n  FORCE on cell =-STRESS in cart. coord.  units (eV):\n  in kB  {:12.5}{:12.5}{:12.5}{:12.5}{:12.5}{:12.5}\n  external pressure =     \
             1.00 kB\n\n VOLUME and BASIS-vectors are now :\n  volume of cell :      160.00\n      direct lattice vectors                 \
             reciprocal lattice vectors",
            k[0][0], k[1][1], k[2][2], k[0][1], k[1][2], k[2][0]
        );
        for [x, y, z] in step.frame.structure.cell.vectors() {
            let _ = writeln!(
                text,
                "   {x:13.9}{y:13.9}{z:13.9}     0.000000000  0.000000000  0.000000000"
            );
        }
        text += "\n POSITION                                       TOTAL-FORCE (eV/Angst)\n ------------------------------------\n";
        for ([x, y, z], [a, b, c]) in step
            .frame
            .structure
            .positions
            .iter()
            .zip(labels.forces.as_ref().unwrap())
        {
            let _ = writeln!(text, "{x:13.5}{y:13.5}{z:13.5}   {a:14.6}{b:14.6}{c:14.6}");
        }
        let _ = writeln!(
            text,
            " ------------------------------------\n    total drift:                                0.000000      0.000000      0.000000\n\n  FREE ENERGIE \
             OF THE ION-ELECTRON SYSTEM (eV)\n  ---------------------------------------------------\n  free  energy   TOTEN  = {energy:18.8} \
             eV\n\n  energy  without entropy= {:17.8}  energy(sigma->0) = {:17.8}",
            energy + ENTROPY,
            energy + 0.5 * ENTROPY
        );
    }
    text += "\n General timing and accounting informations for this job:\n                   Maximum memory used (kb):       35064.\n";
    text
}
