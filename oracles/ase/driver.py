"""Puts an ASE calculator behind slmc's i-PI socket: python3 driver.py SOCKET STRUCTURE.

SOCKET is the NAME of /tmp/ipi_NAME, or HOST:PORT. The calculator comes from `calculator()` in calculator.py beside this file.
"""

import os
import platform
import socket
import struct
import sys
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import ase
import ase.io
import numpy as np
from ase.calculators.calculator import PropertyNotImplementedError

from calculator import calculator

# The numbers slmc has, so that nothing is lost on the way.
BOHR = 0.529177210903
HARTREE = 27.211386245988


def say(text):
    print(text, flush=True)


def connect(address):
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect("/tmp/ipi_" + address)
    return connection


def receive(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            # The server has gone: nothing is left to do.
            sys.exit(0)
        data += piece
    return data


def numbers(connection, *shape):
    return np.frombuffer(receive(connection, 8 * int(np.prod(shape)))).reshape(shape)


def integer(connection):
    return struct.unpack("=i", receive(connection, 4))[0]


def version(calc):
    module = type(calc).__module__.split(".")[0]
    try:
        from importlib.metadata import version as installed

        number = installed(module)
    except Exception:
        number = "of unknown version"
    return f"{type(calc).__name__} of {module} {number}, ASE {ase.__version__}, Python {platform.python_version()}"


def calculate(atoms):
    """Energy (eV) that the forces belong to, forces (eV/Angstrom), virial (eV); a virial of zeros where there is none."""
    try:
        energy = atoms.get_potential_energy(force_consistent=True)
    except PropertyNotImplementedError:
        energy = atoms.get_potential_energy()
    forces = atoms.get_forces(apply_constraint=False)
    virial = np.zeros((3, 3))
    if atoms.pbc.all():
        try:
            virial = -atoms.get_volume() * atoms.get_stress(voigt=False, apply_constraint=False)
        except PropertyNotImplementedError:
            pass
    return float(energy), np.asarray(forces, dtype=float), virial


def main():
    address, structure = sys.argv[1:]
    atoms = ase.io.read(structure)
    atoms.calc = calculator()
    connection = connect(address)
    say("slmc-ase: " + version(atoms.calc))
    answer = None
    while True:
        message = receive(connection, 12).decode().strip()
        if message == "STATUS":
            connection.sendall(b"HAVEDATA    " if answer else b"READY       ")
        elif message == "INIT":
            integer(connection)
            receive(connection, integer(connection))
        elif message == "POSDATA":
            cell = numbers(connection, 3, 3).T * BOHR
            numbers(connection, 3, 3)
            count = integer(connection)
            positions = numbers(connection, count, 3) * BOHR
            if count != len(atoms):
                sys.exit(f"the server sent {count} atoms, {structure} has {len(atoms)}")
            if atoms.pbc.any():
                atoms.set_cell(cell)
            atoms.set_positions(positions, apply_constraint=False)
            try:
                energy, forces, virial = calculate(atoms)
            except Exception as error:
                traceback.print_exc()
                if "converge" in f"{type(error).__name__} {error}".lower():
                    # slmc looks for this line.
                    say(f"calculation did NOT converge: {error}")
                sys.exit(1)
            answer = b"FORCEREADY  " + struct.pack("=di", energy / HARTREE, count)
            answer += (forces * BOHR / HARTREE).tobytes() + (virial / HARTREE).tobytes() + struct.pack("=i", 0)
        elif message == "GETFORCE":
            connection.sendall(answer)
            answer = None
        else:
            return


if __name__ == "__main__":
    main()
