"""Runs inside a container: measures what an entry finds around it, and prints it as one JSON object."""

import errno
import json
import os
import resource
import socket

MIB = 1 << 20


def from_status(key):
    with open("/proc/self/status") as file:
        return next(line.split()[1] for line in file if line.startswith(key + ":"))


def writable_folders():
    """Every folder in which a file can be made."""
    found = []
    for folder, names, _ in os.walk("/"):
        names[:] = [name for name in names if os.path.join(folder, name) not in {"/proc", "/sys"}]
        try:
            name = os.path.join(folder, "wmc-probe")
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            os.unlink(name)
            found.append(folder)
        except OSError:
            pass
    return sorted(found)


def bytes_that_fit(folder, limit):
    """How much can be written in `folder`, up to `limit`."""
    name = os.path.join(folder, "filler")
    written = 0
    with open(name, "wb", buffering=0) as file:
        try:
            while written < limit:
                written += file.write(bytes(MIB))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    os.unlink(name)
    return written


def files_that_fit(folder, limit):
    names = [os.path.join(folder, f"file{number}") for number in range(limit)]
    made = 0
    try:
        for name in names:
            open(name, "w").close()
            made += 1
    except OSError:
        pass
    for name in names[:made]:
        os.unlink(name)
    return made


def children_that_fit(limit):
    """How many processes can be alive at once, up to `limit`."""
    reader, writer = os.pipe()
    children = []
    try:
        while len(children) < limit:
            child = os.fork()
            if child == 0:
                os.close(writer)
                os.read(reader, 1)
                os._exit(0)
            children.append(child)
    except OSError:
        pass
    os.close(writer)
    for child in children:
        os.waitpid(child, 0)
    return len(children)


def answer_of(address):
    """What connecting to an address outside ends with."""
    with socket.socket() as client:
        client.settimeout(3)
        return errno.errorcode.get(client.connect_ex(address), "ok")


def visible_processes():
    return sum(name.isdigit() for name in os.listdir("/proc"))


def main():
    facts = {
        "uid": os.getuid(),
        "groups": sorted({os.getgid(), *os.getgroups()}),
        "capabilities": int(from_status("CapBnd"), 16),
        "no_new_privileges": int(from_status("NoNewPrivs")),
        "seccomp": int(from_status("Seccomp")),
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "outside": answer_of(("172.17.0.1", 9)),
        "writable": writable_folders(),
        "core_bytes": resource.getrlimit(resource.RLIMIT_CORE)[1],
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "tmp_mib": bytes_that_fit("/tmp", 80 * MIB) // MIB,
        "tmp_files": files_that_fit("/tmp", 1500),
        "shm_mib": bytes_that_fit("/dev/shm", 20 * MIB) // MIB,
        "children": children_that_fit(200),
        "processes": visible_processes(),
        "environment": sorted(os.environ),
        "held_out": sorted(os.listdir("/held_out")),
    }
    print(json.dumps(facts))


main()
