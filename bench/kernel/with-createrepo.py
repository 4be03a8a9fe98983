# The newest whole kernel of a repository by the library of createrepo_c. Debian packages: python3-createrepo-c, python3-rpm. Arguments: URL, names of the packages.

import hashlib
import re
import sys
import tempfile
import urllib.request

import createrepo_c
import rpm

url, names = sys.argv[1], sys.argv[2:]
repomd = urllib.request.urlopen(f"{url}/repodata/repomd.xml").read().decode()
data = re.search(r'<data type="primary">.*?</data>', repomd, re.S).group(0)
path = re.search(r'href="([^"]+)"', data).group(1)
wanted = re.search(r'<checksum type="sha256">([0-9a-f]+)', data).group(1)
versions = {}


def see(package):
    if package.name in names:
        versions.setdefault((package.epoch, package.version, package.release), set()).add(package.name)


with tempfile.NamedTemporaryFile(suffix=path.split("/")[-1]) as file:
    hashed = hashlib.sha256()
    with urllib.request.urlopen(f"{url}/{path}") as answer:
        while chunk := answer.read(1 << 16):
            hashed.update(chunk)
            file.write(chunk)
    file.flush()
    assert hashed.hexdigest() == wanted
    createrepo_c.xml_parse_primary(file.name, pkgcb=see, do_files=False)
newest = None
for evr, found in versions.items():
    if found == set(names) and (newest is None or rpm.labelCompare(evr, newest) > 0):
        newest = evr
print(f"{newest[1]}-{newest[2]}")
