//! The replica's outputs: vasprun.xml, OUTCAR, OSZICAR, CONTCAR and standard output, laid out as VASP lays them out.

use std::fmt::Write as _;

use slmc::potential::Labels;
use slmc::structure::Structure;
use slmc::units::GPA_PER_EV_PER_CUBIC_ANGSTROM;

use crate::input::Input;

/// The text of the files so far.
pub struct Files {
    xml: String,
    outcar: String,
    oszicar: String,
    fault: String,
    species: Vec<String>,
}

/// The free energy lies below the energy by the entropy; the analytic surface is the free one.
const ENTROPY: f64 = 0.001;

impl Files {
    pub fn new(input: &Input, fault: &str) -> Self {
        let mut species: Vec<String> = Vec::new();
        for (symbol, count) in &input.groups {
            species.extend(std::iter::repeat_n(symbol.clone(), *count));
        }
        if fault == "wrong-order" {
            species.reverse();
        }
        let most = input.most_steps();
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<modeling>\n <generator>\n");
        xml += "  <i name=\"program\" type=\"string\">vasp </i>\n  <i name=\"version\" type=\"string\">6.3.0  </i>\n </generator>\n";
        let _ = writeln!(xml, " <incar>\n  <i type=\"int\" name=\"NELM\">{most:6}</i>\n </incar>");
        xml += " <kpoints>\n  <generation param=\"Gamma\">\n   <v type=\"int\" name=\"divisions\">       1        1        1 </v>\n";
        xml += "  </generation>\n </kpoints>\n <parameters>\n  <separator name=\"electronic\" >\n";
        let _ = writeln!(
            xml,
            "   <separator name=\"electronic convergence\" >\n    <i type=\"int\" name=\"NELM\">{most:6}</i>\n   </separator>"
        );
        xml += "  </separator>\n </parameters>\n <atominfo>\n";
        let _ = writeln!(
            xml,
            "  <atoms>{:8} </atoms>\n  <types>{:8} </types>\n  <array name=\"atoms\" >",
            species.len(),
            input.groups.len()
        );
        xml += "   <dimension dim=\"1\">ion</dimension>\n   <field type=\"string\">element</field>\n   <set>\n";
        for symbol in &species {
            let group = input
                .groups
                .iter()
                .position(|(known, _)| known == symbol)
                .map_or(0, |index| index + 1);
            let _ = writeln!(xml, "    <rc><c>{symbol:2}</c><c>{group:4}</c></rc>");
        }
        xml += "   </set>\n  </array>\n  <array name=\"atomtypes\" >\n   <set>\n";
        for ((symbol, count), title) in input.groups.iter().zip(&input.titles) {
            let _ = writeln!(
                xml,
                "    <rc><c>{count:4}</c><c>{symbol:2}</c><c>     1.0</c><c>     4.0</c><c>  {title:40}</c></rc>"
            );
        }
        xml += "   </set>\n  </array>\n </atominfo>\n <structure name=\"initialpos\" >\n";
        xml += &structure_xml(&input.structure, "");
        xml += " </structure>\n";
        let mut outcar = String::from(" vasp.6.3.0 20Jan22 (replica) complex\n");
        for title in &input.titles {
            let _ = writeln!(outcar, "   TITEL  = {title}");
        }
        let counts: Vec<String> = input.groups.iter().map(|(_, count)| format!("{count:4}")).collect();
        let _ = writeln!(outcar, "   ions per type =            {}", counts.concat());
        let _ = writeln!(
            outcar,
            "   number of dos      NEDOS =    301   number of ions     NIONS = {:6}",
            species.len()
        );
        let _ = writeln!(
            outcar,
            "   NELM   = {most:6};   NELMIN=  2; NELMDL= -5     # of ELM steps"
        );
        Self {
            xml,
            outcar,
            oszicar: String::new(),
            fault: fault.to_owned(),
            species,
        }
    }

    /// One ionic step after so many electronic ones.
    pub fn ionic_step(
        &mut self,
        structure: &Structure,
        labels: &Labels,
        electronic: usize,
        unconverged: bool,
        number: usize,
    ) {
        let energy = labels.energy;
        let zero = Vec::new();
        let forces = labels.forces.as_ref().unwrap_or(&zero);
        println!("       N       E                     dE             d eps       ncg     rms          rms(c)");
        self.xml += " <calculation>\n";
        for step in 1..=electronic {
            let now = energy + 0.5_f64.powi(2 * step as i32) * f64::from(u8::from(step < electronic));
            println!("DAV: {step:3}    {now:.12E}    0.1E-02   -0.1E-02  2056   0.521E-01");
            let _ = writeln!(self.oszicar, "DAV: {step:3}    {now:.12E}");
            let _ = writeln!(
                self.xml,
                "  <scstep>\n   <time name=\"total\">    0.52    0.52</time>\n   <energy>\n    <i name=\"e_fr_energy\">{now:16.8} </i>\n    \
                 <i name=\"e_wo_entrp\">{:16.8} </i>\n    <i name=\"e_0_energy\">{:16.8} </i>\n   </energy>\n  </scstep>",
                now + ENTROPY,
                now + 0.5 * ENTROPY
            );
            let _ = writeln!(
                self.outcar,
                "--------------------------------------- Iteration {number:6}({step:4})  ---------------------------------------\n  free \
                 energy    TOTEN  = {now:18.8} eV"
            );
        }
        if unconverged {
            self.outcar += " -----\n|     The electronic self-consistency was not achieved in the given           |\n";
            self.outcar += "|     number of steps (NELM).                                                 |\n";
        } else {
            self.outcar += "------------------------ aborting loop because EDIFF is reached ----------------------------------------\n";
        }
        self.xml += "  <structure>\n";
        self.xml += &structure_xml(&self.answered(structure), " ");
        self.xml += "  </structure>\n  <varray name=\"forces\" >\n";
        for (atom, [x, y, z]) in forces.iter().enumerate() {
            if atom == 0 && self.fault == "stars" {
                self.xml += "   <v> ****************      0.00000000      0.00000000 </v>\n";
            } else {
                let _ = writeln!(self.xml, "   <v> {x:15.8} {y:15.8} {z:15.8} </v>");
            }
        }
        self.xml += "  </varray>\n";
        if let Some(stress) = labels.stress {
            let kilobar = stress.map(|row| row.map(|x| -10.0 * GPA_PER_EV_PER_CUBIC_ANGSTROM * x));
            self.xml += "  <varray name=\"stress\" >\n";
            for [x, y, z] in kilobar {
                let _ = writeln!(self.xml, "   <v> {x:15.8} {y:15.8} {z:15.8} </v>");
            }
            self.xml += "  </varray>\n";
            let k = kilobar;
            let _ = writeln!(
                self.outcar,
                "  in kB  {:11.5} {:11.5} {:11.5} {:11.5} {:11.5} {:11.5}",
                k[0][0], k[1][1], k[2][2], k[0][1], k[1][2], k[2][0]
            );
        }
        self.outcar += "      direct lattice vectors                 reciprocal lattice vectors\n";
        for [x, y, z] in structure.cell.vectors() {
            let _ = writeln!(
                self.outcar,
                "  {x:12.9} {y:12.9} {z:12.9}     0.000000000  0.000000000  0.000000000"
            );
        }
        self.outcar +=
            " POSITION                                       TOTAL-FORCE (eV/Angst)\n ------------------------------\n";
        for ([x, y, z], [a, b, c]) in structure.positions.iter().zip(forces) {
            let _ = writeln!(self.outcar, " {x:12.5} {y:12.5} {z:12.5}    {a:13.6} {b:13.6} {c:13.6}");
        }
        self.outcar += " ------------------------------\n  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n";
        let _ = writeln!(self.outcar, "  free  energy   TOTEN  = {energy:20.8} eV\n");
        let _ = writeln!(
            self.outcar,
            "  energy  without entropy= {:16.8}  energy(sigma->0) = {:16.8}\n",
            energy + ENTROPY,
            energy + 0.5 * ENTROPY
        );
        let told = match self.fault.as_str() {
            "nan" => "             NaN".to_owned(),
            "other-energy" => format!("{:16.8}", energy - 0.3),
            _ => format!("{energy:16.8}"),
        };
        // As VASP 5 writes them: the second and third stand in the wrong places.
        let _ = writeln!(
            self.xml,
            "  <energy>\n   <i name=\"e_fr_energy\">{told} </i>\n   <i name=\"e_wo_entrp\">{:16.8} </i>\n   <i name=\"e_0_energy\">{:16.8} </i>\n  \
             </energy>\n </calculation>",
            energy + 0.5 * ENTROPY,
            -ENTROPY
        );
        println!("FORCES:");
        for [x, y, z] in forces {
            println!("{x:14.7}{y:14.7}{z:14.7}");
        }
        let line = format!(
            "{number:4} F= {energy:.7E} E0= {:.7E}  d E ={energy:.6E}",
            energy + 0.5 * ENTROPY
        );
        println!("{line}");
        let _ = writeln!(self.oszicar, "{line}");
        let _ = std::fs::write("OSZICAR", &self.oszicar);
        let _ = std::fs::write("CONTCAR", "replica\n");
    }

    /// The structure that is claimed to have been answered for.
    fn answered(&self, structure: &Structure) -> Structure {
        match self.fault.as_str() {
            "other-structure" => {
                let mut moved = structure.positions.clone();
                if let Some(first) = moved.first_mut() {
                    first[0] += 0.01;
                }
                structure.with_positions(moved)
            }
            _ => structure.clone(),
        }
    }

    /// Writes what there is, as interactive VASP does after each step.
    pub fn flush(&mut self, ended: bool) {
        if self.fault == "held-back" && !ended {
            return;
        }
        let _ = std::fs::write("vasprun.xml", &self.xml);
        let _ = std::fs::write("OUTCAR", &self.outcar);
    }

    /// Closes and writes all files.
    pub fn finish(mut self) {
        self.xml += " <structure name=\"finalpos\" >\n </structure>\n</modeling>\n";
        self.outcar +=
            " General timing and accounting informations for this job:\n ========================================\n";
        self.outcar += "                   Maximum memory used (kb):       35064.\n";
        match self.fault.as_str() {
            "truncated-xml" => {
                let keep = self.xml.len() * 2 / 3;
                self.xml.truncate(keep);
            }
            "truncated-end" => {
                let keep = self.xml.len() - 14;
                self.xml.truncate(keep);
            }
            "truncated-outcar" => {
                let keep = self.outcar.len() / 2;
                self.outcar.truncate(keep);
            }
            "missing-atom" => {
                self.xml = self
                    .xml
                    .replacen(&format!("<rc><c>{:2}</c><c>   1</c></rc>", self.species[0]), "", 1);
            }
            "no-xml" => {
                let _ = std::fs::write("OUTCAR", &self.outcar);
                return;
            }
            _ => {}
        }
        self.flush(true);
        if self.fault == "old-files" {
            let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
            for name in ["vasprun.xml", "OUTCAR"] {
                if let Ok(file) = std::fs::File::options().append(true).open(name) {
                    let _ = file.set_modified(long_ago);
                }
            }
        }
    }
}

fn structure_xml(structure: &Structure, indent: &str) -> String {
    let mut text = format!("{indent} <crystal>\n{indent}  <varray name=\"basis\" >\n");
    for [x, y, z] in structure.cell.vectors() {
        let _ = writeln!(text, "{indent}   <v> {x:16.8} {y:16.8} {z:16.8} </v>");
    }
    let _ = writeln!(
        text,
        "{indent}  </varray>\n{indent}  <i name=\"volume\">{:16.8} </i>",
        structure.cell.volume()
    );
    let _ = writeln!(text, "{indent} </crystal>\n{indent} <varray name=\"positions\" >");
    for position in &structure.positions {
        // VASP writes positions inside the cell.
        let [x, y, z] = structure.cell.fractional(*position).map(|x| x - x.floor());
        let _ = writeln!(text, "{indent}  <v> {x:16.8} {y:16.8} {z:16.8} </v>");
    }
    let _ = writeln!(text, "{indent} </varray>");
    text
}
