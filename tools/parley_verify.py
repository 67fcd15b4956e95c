#!/usr/bin/env python3
"""Check what a Parley instance hands out about its moderation, without Parley, its database, or any library.

    python3 parley_verify.py moderation-log.jsonl.gz                      an export of the moderation log
    python3 parley_verify.py evidence.zip                                 an evidence package
    python3 parley_verify.py FILE --key 3f2a...                           it must be signed with this key
    python3 parley_verify.py moderation-log.jsonl --checkpoint old.json   it must contain this earlier head
    python3 parley_verify.py moderation-log.jsonl --value opened.json     a hidden value that was disclosed stands in it

The fingerprint of an instance's key stands at https://INSTANCE/.well-known/parley-key, its signed heads at
https://INSTANCE/.well-known/parley-checkpoints. Note both down, or keep copies, when you first deal with it: a log that
was written anew later does not contain a head that you kept.

What is checked of a log: that every entry is unchanged and in its place (each hash covers the one before), that none is
missing, that the tables of the instance were what the log says (the entries are folded into rows and compared with
what the instance signed), the signature of the head, and every head that was signed before. Of a package: every file
against the signed manifest, every snapshot and file against the log's entries, and for each of these a proof that it is
part of the log whose head was signed.

The log does not show what people wrote, nor hashes of it, by which short words could be guessed: it holds salted
commitments. For a value that an instance discloses it gives the opening with it, which proves that one value alone.

Everything stands in this one file. Python 3.8 or newer. Ends with 0 when everything holds, with 1 when anything does
not, with 2 when the file cannot be read.
"""

import argparse
import gzip
import hashlib
import json
import sqlite3
import sys
import zipfile

MOST_SHOWN = 20
MOST_BYTES = 2**30  # of one file in a package


class Checks:
    """What was found to be wrong, and what was found to be right."""

    def __init__(self):
        self.problems, self.notes = [], []

    def problem(self, text):
        self.problems.append(text)

    def expect(self, holds, text):
        if not holds:
            self.problem(text)
        return holds


# ---- Hashes of entries, and the tree over them (RFC 9162, 2.1) -------------------------------------------------------


def sha256(data):
    return hashlib.sha256(data).digest()


def link(previous, seq, entry_id, body):
    """The hash of an entry covers the hash of the one before, its number, its id and all that it says."""
    return sha256(previous + ("%d\n%s\n%s" % (seq, entry_id, body)).encode())


def commitment(column, value, opening):
    """How the log speaks of a hidden value; `opening` (hexadecimal) is what the instance gives with it."""
    digest = sha256(("%s\n%s" % (column, value)).encode())
    return "salted:" + sha256(bytes.fromhex(opening) + digest).hex()


def leaf(entry_hash):
    return sha256(b"\x00" + entry_hash)


def node(left, right):
    return sha256(b"\x01" + left + right)


class Tree:
    """The root over all hashes so far; `peaks` are the roots of complete subtrees, the largest first."""

    def __init__(self):
        self.count, self.peaks = 0, []

    def add(self, entry_hash):
        top, size = leaf(entry_hash), self.count
        while size & 1:
            top, size = node(self.peaks.pop(), top), size >> 1
        self.peaks.append(top)
        self.count += 1

    def root(self):
        top = self.peaks[-1] if self.peaks else sha256(b"")
        for peak in reversed(self.peaks[:-1]):
            top = node(peak, top)
        return top


def is_in_tree(entry_hash, index, count, path, root):
    """Whether `path` leads from this entry, the one at `index` of `count`, to the root."""
    here, last, top = index, count - 1, leaf(entry_hash)
    for other in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            top = node(other, top)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            top = node(top, other)
        here, last = here >> 1, last >> 1
    return last == 0 and top == root


# ---- Ed25519 (RFC 8032, 5.1.7), written plainly. Slow, which does not matter for a handful of signatures; it handles
# ---- no secrets, so it need not take the same time for every input.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def point_add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_times(number, point):
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = point_add(result, point)
        point, number = point_add(point, point), number >> 1
    return result


def read_point(data):
    """A point from its 32 bytes; None when there is none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else (0, y, 1, 0)
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - x2) % P:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = read_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(public_key, signature, message):
    """Whether the signature of `message` was made with the private half of `public_key`."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    a, r, s = read_point(public_key), read_point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    left = point_times(s, BASE)
    right = point_add(r, point_times(int.from_bytes(digest, "little") % ORDER, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def check_signature(checks, what, signed, signature, public_key, wanted_key):
    """Check one signature over the text `signed`; say whose it is."""
    key = bytes.fromhex(public_key)
    fingerprint = hashlib.sha256(key).hexdigest()
    if not is_signed(key, bytes.fromhex(signature), signed.encode()):
        checks.problem("%s: the signature is not of what it says" % what)
    elif wanted_key and fingerprint != wanted_key:
        checks.problem("%s: signed with another key, %s" % (what, fingerprint))
    return fingerprint


# ---- An export of the log --------------------------------------------------------------------------------------------


class Rows:
    """The rows that the log makes. In a temporary database, so that any log fits."""

    def __init__(self):
        self.db = sqlite3.connect("")
        self.db.execute("CREATE TABLE kept (t TEXT, id INTEGER, r TEXT, PRIMARY KEY (t, id)) WITHOUT ROWID")

    def apply(self, body):
        """Let one entry of the type row_changed take effect; returns what is wrong with it, if anything."""
        key = (body["table"], int(body["id"]))
        if body["op"] == "delete":
            self.db.execute("DELETE FROM kept WHERE t = ? AND id = ?", key)
            return None
        row = body["row"]
        if body["op"] == "update":
            found = self.db.execute("SELECT r FROM kept WHERE t = ? AND id = ?", key).fetchone()
            if found is None:
                return "it changes row %s of %s, which no entry made" % (body["id"], body["table"])
            row = dict(json.loads(found[0]), **row)
        self.db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (*key, json.dumps(row)))
        return None

    def digest(self, table, columns):
        """How many rows a table has, and the SHA-256 over all of them, by the columns that it has at the end."""
        digest, count = hashlib.sha256(), 0
        for row_id, text in self.db.execute("SELECT id, r FROM kept WHERE t = ? ORDER BY id", (table,)):
            row = json.loads(text)
            row = {name: row[name] for name in columns if row.get(name) is not None}
            said = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            digest.update(("%d\n%s\n" % (row_id, said)).encode())
            count += 1
        return count, digest.hexdigest()

    def tables(self):
        return {row[0] for row in self.db.execute("SELECT DISTINCT t FROM kept")}


class Opened:
    """Hidden values that an instance disclosed, and the entries in which they stand."""

    def __init__(self, values):
        self.wanted, self.found = {}, {}
        for one in values:
            key = (one["table"], one["id"], one["column"], commitment(one["column"], one["value"], one["opening"]))
            self.wanted[key] = self.found[key] = None

    def look(self, seq, body):
        """Note what an entry of the type row_changed has of them."""
        for key in self.wanted:
            if key[:2] == (body["table"], body["id"]) and body["row"].get(key[2]) == key[3]:
                self.found[key] = seq

    def tell(self, checks):
        """Say which stand in the log."""
        for (table, row_id, column, _), seq in self.found.items():
            if seq is None:
                checks.problem("the value of %s in row %s of %s: no entry has it" % (column, row_id, table))
            else:
                checks.notes.append("the value of %s in row %s of %s stands in entry %d" % (column, row_id, table, seq))


def verify_log(lines, checks, wanted_key, earlier, values=()):
    """Check an export, line by line."""
    first = json.loads(next(lines))
    if first.get("kind") != "parley moderation log" or first.get("format") != 1:
        raise ValueError("this is no export of a moderation log that this program knows")
    rows, tree, last, seq, at_heads, end = Rows(), Tree(), b"", 0, {}, None
    opened = Opened(values)
    wanted_heads = {head["seq"] for head in earlier} | set(first["checkpoints"])
    for line in lines:
        entry = json.loads(line)
        if entry.get("kind") == "end":
            end = entry
            break
        where = "entry %s" % entry["seq"]
        checks.expect(entry["seq"] == seq + 1, "%s: it follows entry %d, so something is missing" % (where, seq))
        stored = bytes.fromhex(entry["hash"])
        made = link(last, entry["seq"], entry["id"], entry["body"])
        checks.expect(made == stored, "%s: it, or its place in the chain, was changed" % where)
        seq, last = entry["seq"], stored
        tree.add(last)
        if seq in wanted_heads:
            at_heads[seq] = (last, tree.root())
        body = json.loads(entry["body"])
        if body["type"] == "row_changed":
            wrong = rows.apply(body)
            checks.expect(wrong is None, "%s: %s" % (where, wrong))
            opened.look(seq, body)
    if end is None:
        checks.problem("the export ends in the middle")
        return
    fingerprint = check_signature(checks, "the head", end["signed"], end["signature"], end["public_key"], wanted_key)
    signed = json.loads(end["signed"])
    checks.expect(signed["kind"] == "parley moderation log export", "the head: what was signed is something else")
    checks.expect(signed["seq"] == seq, "the log ends with entry %d; entry %s was signed" % (seq, signed["seq"]))
    checks.expect(signed["hash"] == last.hex(), "the last entry is not the one that was signed")
    checks.expect(signed["root"] == tree.root().hex(), "the tree over all entries is not the one that was signed")
    total = 0
    for table, told in sorted(signed["tables"].items()):
        count, digest = rows.digest(table, told["columns"])
        total += count
        if count != told["rows"]:
            checks.problem("table %s: the instance has %d rows, its log makes %d" % (table, told["rows"], count))
        else:
            checks.expect(digest == told["sha256"], "table %s: the instance's rows are not what its log makes" % table)
    for table in sorted(rows.tables() - set(signed["tables"])):
        checks.problem("table %s: the log speaks of it, the instance does not" % table)
    for head in end["checkpoints"]:
        what = "the checkpoint of entry %s" % json.loads(head["signed"]).get("seq")
        check_signature(checks, what, head["signed"], head["signature"], head["public_key"], wanted_key)
    for head in [json.loads(one["signed"]) for one in end["checkpoints"]] + earlier:
        found = at_heads.get(head["seq"])
        if found is None:
            checks.problem("entry %s was signed as the head once, and is not there any more" % head["seq"])
        elif found[0].hex() != head["hash"] or (head.get("root") and found[1].hex() != head["root"]):
            checks.problem("entry %s is not what was signed earlier: the log was written anew" % head["seq"])
    checks.notes += [
        "%d entries, the last of %s, hash %s" % (seq, signed["at"], last.hex()),
        "%d rows in %d tables are what the log makes them" % (total, len(signed["tables"])),
        "%d earlier heads are part of it" % (len(end["checkpoints"]) + len(earlier)),
        "signed by %s with the key %s" % (signed["instance"], fingerprint),
    ]
    opened.tell(checks)


# ---- An evidence package ---------------------------------------------------------------------------------------------


def read_whole(package, name):
    """A file of the package; refuses what is larger than anything honest."""
    if package.getinfo(name).file_size > MOST_BYTES:
        raise ValueError("%s is larger than this program reads" % name)
    return package.read(name)


def verify_package(package, checks, wanted_key, earlier):
    """Check an evidence package."""
    names = package.namelist()
    checks.expect(len(names) == len(set(names)), "the package holds a file twice")
    manifest_text = read_whole(package, "manifest.json").decode()
    manifest, seal = json.loads(manifest_text), json.loads(read_whole(package, "manifest.sig.json"))
    if manifest.get("kind") != "parley evidence package" or manifest.get("format") != 2:
        raise ValueError("this is no evidence package that this program knows")
    args = (manifest_text, seal["signature"], seal["public_key"], wanted_key)
    fingerprint = check_signature(checks, "the manifest", *args)
    listed = {one["path"]: one for one in manifest["files"]}
    for name in sorted(set(names) - set(listed) - {"manifest.json", "manifest.sig.json"}):
        checks.problem("%s: the manifest does not know this file" % name)
    for name, told in sorted(listed.items()):
        if name not in names:
            checks.problem("%s: it is missing" % name)
            continue
        digest, size = hashlib.sha256(), 0
        with package.open(name) as file:
            while True:
                piece = file.read(2**20)
                if not piece or size > told["size_bytes"]:
                    break
                digest.update(piece)
                size += len(piece)
        checks.expect(digest.hexdigest() == told["sha256"] and size == told["size_bytes"], "%s: it was changed" % name)
    rows, count = verify_excerpt(package, checks, wanted_key, earlier)
    evidence = json.loads(read_whole(package, "evidence.json"))
    for one in evidence["snapshots"]:
        told = listed.get(one["path"], {}).get("sha256")
        checks.expect(told == one["sha256"], "%s: it is not the snapshot that is spoken of" % one["path"])
        stands = has_hash(rows, "evidence_snapshots", one)
        checks.expect(stands, "%s: no entry of the log has this content" % one["path"])
        for file in one["files"]:
            if file.get("path"):
                checks.expect(listed[file["path"]]["sha256"] == file["sha256"], "%s: another file" % file["path"])
                stands = has_hash(rows, "evidence_files", file)
                checks.expect(stands, "%s: no entry of the log has this file" % file["path"])
    checks.notes += [
        "%d files are what the manifest says" % len(listed),
        "%d snapshots stand in the log; %d entries of it are proved" % (len(evidence["snapshots"]), count),
        "made %s by %s, signed with the key %s" % (manifest["created_at"], manifest["instance"], fingerprint),
    ]


def has_hash(rows, table, told):
    """Whether the log has this SHA-256 for this row of a table."""
    row = rows.get((table, told["id"]), {})
    return row.get("sha256") == commitment("sha256", "\\x" + told["sha256"], told["opening"])


def verify_excerpt(package, checks, wanted_key, earlier):
    """Check the entries of the log in a package; returns the rows that they make, and how many they are."""
    head = json.loads(read_whole(package, "log/head.json"))
    check_signature(checks, "the head of the log", head["signed"], head["signature"], head["public_key"], wanted_key)
    signed = json.loads(head["signed"])
    for one in earlier:
        if one["seq"] == signed["seq"]:
            checks.expect(one["hash"] == signed["hash"], "the head of the log is not the one that you have")
    root, rows, count = bytes.fromhex(signed["root"]), {}, 0
    for line in read_whole(package, "log/entries.jsonl").decode().splitlines():
        entry, count = json.loads(line), count + 1
        made = link(bytes.fromhex(entry["previous"]), entry["seq"], entry["id"], entry["body"])
        path = [bytes.fromhex(one) for one in entry["path"]]
        if made.hex() != entry["hash"]:
            checks.problem("entry %s of the log: it was changed" % entry["seq"])
        elif not is_in_tree(made, entry["seq"] - 1, signed["seq"], path, root):
            checks.problem("entry %s of the log: it is not part of what was signed" % entry["seq"])
        body = json.loads(entry["body"])
        if body["type"] == "row_changed":
            rows.setdefault((body["table"], body["id"]), {}).update(body["row"])
    return rows, count


# ---- The command -----------------------------------------------------------------------------------------------------


def read_checkpoint(path):
    """A head that was got earlier: as the instance's page gives it, one or many, or only what was signed."""
    with open(path, encoding="utf-8") as file:
        read = json.load(file)
    found = read.get("checkpoints", [read]) if isinstance(read, dict) else read
    return [json.loads(one["signed"]) if "signed" in one else one for one in found]


def read_value(path):
    """A hidden value that an instance disclosed, with its opening."""
    with open(path, encoding="utf-8") as file:
        read = json.load(file)
    wanted = ("table", "id", "column", "value", "opening")
    if not isinstance(read, dict) or any(not isinstance(read.get(name), str) for name in wanted):
        raise ValueError("%s is no disclosed value" % path)
    return read


def verify(path, wanted_key="", earlier=(), values=()):
    """Check one file; returns what was found. Raises ValueError for what cannot be read."""
    checks = Checks()
    try:
        if zipfile.is_zipfile(path):
            if values:
                raise ValueError("disclosed values are checked against an export of the log, not against a package")
            with zipfile.ZipFile(path) as package:
                verify_package(package, checks, wanted_key, list(earlier))
        else:
            with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as lines:
                verify_log(iter(lines), checks, wanted_key, list(earlier), values)
    except (KeyError, TypeError, AttributeError, StopIteration, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError("the file cannot be read: %s: %s" % (type(error).__name__, error)) from error
    return checks


def main():
    parser = argparse.ArgumentParser(description="Check an export of a moderation log, or an evidence package.")
    parser.add_argument("file")
    parser.add_argument("--key", default="", help="fingerprint of the key that must have signed it")
    parser.add_argument("--checkpoint", action="append", default=[], help="a file with heads that you got earlier")
    parser.add_argument("--value", action="append", default=[], help="a file with a hidden value that was disclosed")
    arguments = parser.parse_args()
    try:
        values = [read_value(path) for path in arguments.value]
        earlier = [head for path in arguments.checkpoint for head in read_checkpoint(path)]
        checks = verify(arguments.file, arguments.key.lower(), earlier, values)
    except (ValueError, OSError) as error:
        print("CANNOT BE READ: %s" % error)
        return 2
    for text in checks.problems[:MOST_SHOWN]:
        print("WRONG: %s" % text)
    if len(checks.problems) > MOST_SHOWN:
        print("... and %d more" % (len(checks.problems) - MOST_SHOWN))
    if checks.problems:
        return 1
    for text in checks.notes:
        print("ok: %s" % text)
    if not arguments.key:
        print("note: compare the key's fingerprint with the one that you know, or give it with --key")
    return 0


if __name__ == "__main__":
    sys.exit(main())
