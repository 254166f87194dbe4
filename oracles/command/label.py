"""An oracle in a few lines: reads one structure, writes it back with energy, forces and stress. Here: Lennard-Jones argon.

Called as `python3 label.py structure.xyz labelled.xyz`. Exit code 0: answered. 65: this structure has no answer. 69 or 78: nothing
will help. Anything else: slmc tries again. Everything is in eV and angstrom; stress is tensile positive.
"""

import itertools
import re
import sys

EPSILON, SIGMA, CUTOFF = 0.0104, 3.4, 8.5

lines = open(sys.argv[1]).read().splitlines()
count, comment, atoms = int(lines[0]), lines[1], [line.split() for line in lines[2:]]
lattice = [float(x) for x in re.search(r'Lattice="([^"]*)"', comment).group(1).split()]
cell = [lattice[0:3], lattice[3:6], lattice[6:9]]
points = [[float(x) for x in atom[1:4]] for atom in atoms]
if any(atom[0] != "Ar" for atom in atoms):
    sys.exit("this oracle knows argon only")

# Images within two cells along each vector: enough for cells that are not much smaller than the cutoff.
shifts = [[sum(n[k] * cell[k][i] for k in range(3)) for i in range(3)] for n in itertools.product(range(-2, 3), repeat=3)]
energy, forces, virial = 0.0, [[0.0] * 3 for _ in points], [[0.0] * 3 for _ in range(3)]
at_cutoff = (SIGMA / CUTOFF) ** 12 - (SIGMA / CUTOFF) ** 6
for i, j, shift in itertools.product(range(count), range(count), shifts):
    apart = [points[j][k] + shift[k] - points[i][k] for k in range(3)]
    square = sum(x * x for x in apart)
    if 0.0 < square < CUTOFF**2:
        sixth = (SIGMA**2 / square) ** 3
        energy += 2 * EPSILON * (sixth**2 - sixth - at_cutoff)
        slope = 24 * EPSILON * (2 * sixth**2 - sixth) / square
        for a in range(3):
            forces[i][a] -= slope * apart[a]
            for b in range(3):
                virial[a][b] -= 0.5 * slope * apart[a] * apart[b]

cross = [cell[1][(k + 1) % 3] * cell[2][(k + 2) % 3] - cell[1][(k + 2) % 3] * cell[2][(k + 1) % 3] for k in range(3)]
volume = abs(sum(cell[0][k] * cross[k] for k in range(3)))
stress = " ".join(repr(x / volume) for row in virial for x in row)
with open(sys.argv[2], "w") as out:
    box = " ".join(repr(x) for x in lattice)
    print(count, file=out)
    print(
        f'Lattice="{box}" Properties=species:S:1:pos:R:3:forces:R:3 energy={energy!r} stress="{stress}" pbc="T T T"', file=out
    )
    for atom, force in zip(atoms, forces):
        print(*atom[:4], *map(repr, force), file=out)
