# The newest whole kernel of a repository by libsolv, the library under dnf. Debian package: python3-solv. Arguments: URL, names of the packages.

import hashlib
import re
import sys
import tempfile
import urllib.request

import solv

url, names = sys.argv[1], sys.argv[2:]
repomd = urllib.request.urlopen(f"{url}/repodata/repomd.xml").read().decode()
data = re.search(r'<data type="primary">.*?</data>', repomd, re.S).group(0)
path = re.search(r'href="([^"]+)"', data).group(1)
wanted = re.search(r'<checksum type="sha256">([0-9a-f]+)', data).group(1)
with tempfile.NamedTemporaryFile(suffix=path.split("/")[-1]) as file:
    hashed = hashlib.sha256()
    with urllib.request.urlopen(f"{url}/{path}") as answer:
        while chunk := answer.read(1 << 16):
            hashed.update(chunk)
            file.write(chunk)
    file.flush()
    assert hashed.hexdigest() == wanted
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    pool.setarch("x86_64")
    repo = pool.add_repo("bench")
    handle = solv.xfopen(file.name)
    assert handle is not None and repo.add_rpmmd(handle, None, 0), pool.errstr
versions = {}
for package in repo.solvables:
    if package.name in names:
        versions.setdefault(package.evr, {})[package.name] = package
newest = None
for found in versions.values():
    if set(found) == set(names):
        core = found["kernel-core"]
        if newest is None or core.evrcmp(newest) > 0:
            newest = core
print(newest.evr)
