"""Makes the calculator whose surface is sampled: any of https://wiki.fysik.dtu.dk/ase/ase/calculators/calculators.html."""

from tblite.ase import TBLite


def calculator():
    # GFN1-xTB. The accuracy is far below kT; verbosity 0 keeps the output for slmc.
    return TBLite(method="GFN1-xTB", accuracy=0.1, verbosity=0)
