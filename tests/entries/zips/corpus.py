"""Zips that intake must refuse, one class each: how it is built, and the code and words of the refusal."""

from __future__ import annotations

import struct
import zlib
from typing import ClassVar

from rawzip import BUILD_SH, END, EVALUATE_PY, LOCAL, MANIFEST, REQUIRED, Raw, build, changed, deflated

from harness.intake.limits import DEFAULT_LIMITS, ArchiveLimits

_CRC_AND_SIZES = struct.Struct("<3L")
_MIB = 1 << 20


class HostileZip:
    """A zip that must be refused with `code`, in a message that holds `says`."""

    code: ClassVar[str]
    says: ClassVar[str] = ""
    limits: ClassVar[ArchiveLimits] = DEFAULT_LIMITS

    def zip(self) -> bytes:
        """Its bytes."""
        return build(*REQUIRED, self.member())

    def member(self) -> Raw:
        """The one member that makes it hostile, where one is enough."""
        raise NotImplementedError


# --- the file as a whole ------------------------------------------------------------------------------------


class EmptyFile(HostileZip):
    code, says = "archive.not_a_zip", "not a zip"

    def zip(self):
        return b""


class Tarball(HostileZip):
    code, says = "archive.not_a_zip", "not a zip"

    def zip(self):
        return b"wmc.toml".ljust(257, b"\0") + b"ustar\x0000" + bytes(2000)


class CutOff(HostileZip):
    code, says = "archive.truncated", "cut off"

    def zip(self):
        return build(*REQUIRED)[:-40]


class WithComment(HostileZip):
    code, says = "archive.comment", "comment"

    def zip(self):
        return build(*REQUIRED, comment=b"a" * 40)


class EndRecordInsideItsComment(HostileZip):
    """A reader that searches from the end finds the inner record, one that goes by the first finds the outer."""

    code, says = "archive.several_archives", "joined"

    def zip(self):
        body = build(*REQUIRED)
        inner = END.pack(b"PK\x05\x06", 0, 0, 3, 3, *END.unpack(body[-22:])[5:7], 0)
        return body[:-2] + struct.pack("<H", len(inner)) + inner


class TrailingData(HostileZip):
    code, says = "archive.trailing_data", "7 bytes follow"

    def zip(self):
        return build(*REQUIRED) + b"1234567"


class ShellScriptBefore(HostileZip):
    code, says = "archive.leading_data", "before the zip"

    def zip(self):
        return b"#!/bin/sh\nrm -rf ~\n" + build(*REQUIRED)


class SelfExtractor(HostileZip):
    """As ShellScriptBefore, with offsets that count it in: most readers see nothing unusual."""

    code, says = "archive.leading_data", "before the zip"

    def zip(self):
        return build(*REQUIRED, lead=b"#!/bin/sh\nrm -rf ~\n")


class TwoZipsJoined(HostileZip):
    code, says = "archive.several_archives", "joined"

    def zip(self):
        return build(*REQUIRED, Raw(data=b"reviewed")) + build(*REQUIRED, Raw(data=b"graded, and longer"))


class TheSameZipTwice(HostileZip):
    code, says = "archive.several_archives", "joined"

    def zip(self):
        return build(*REQUIRED) * 2


class TwoZipsJoinedWithRightOffsets(HostileZip):
    code, says = "archive.hidden_member", "does not list"

    def zip(self):
        return build(*REQUIRED, lead=build(*REQUIRED, Raw(data=b"reviewed")))


class HiddenMember(HostileZip):
    code, says = "archive.hidden_member", "does not list"

    def zip(self):
        return build(*REQUIRED, gap=Raw(name=b"hidden.py", data=b"import os").local_bytes())


class GapBetweenMembers(HostileZip):
    code, says = "archive.hidden_data", "belong to none"

    def member(self):
        return Raw(lead=b"hidden")


class GapBeforeTheEndRecord(HostileZip):
    code, says = "archive.hidden_data", "end record"

    def zip(self):
        return build(*REQUIRED, before_end=b"hidden")


class SecondDisk(HostileZip):
    code, says = "archive.multi_disk", "several"

    def zip(self):
        return build(*REQUIRED, disk=1)


class MemberOnAnotherDisk(HostileZip):
    code, says = "archive.multi_disk", "another part"

    def member(self):
        return Raw(central={"disk": 2})


class MoreMembersPromised(HostileZip):
    code, says = "archive.count_mismatch", "4 members"

    def zip(self):
        return build(*REQUIRED, here=4, count=4)


class FewerMembersPromised(HostileZip):
    code, says = "archive.count_mismatch", "2 members"

    def zip(self):
        return build(*REQUIRED, here=2, count=2)


class DirectoryBehindTheEnd(HostileZip):
    code, says = "archive.directory_broken", "directory"

    def zip(self):
        return build(*REQUIRED, start=10**6)


class DirectoryOfRubbish(HostileZip):
    code, says = "archive.directory_broken", "directory"

    def member(self):
        return Raw(central={"magic": b"PK\x09\x09"})


class DirectoryCutShort(HostileZip):
    code, says = "archive.directory_broken", "directory"

    def zip(self):
        whole = build(*REQUIRED, Raw(name=b"n" * 100))
        size, start = END.unpack(whole[-22:])[5:7]
        return whole[:-52] + END.pack(b"PK\x05\x06", 0, 0, 4, 4, size - 30, start, 0)


# --- zip64 --------------------------------------------------------------------------------------------------


class Zip64FieldWithoutNeed(HostileZip):
    """One reader takes the 64-bit size, the other the 32-bit one."""

    code, says = "archive.zip64_lie", "64-bit"

    def member(self):
        return Raw(data=b"small", central_extra=struct.pack("<2HQ", 1, 8, 10**12))


class Zip64FieldMissing(HostileZip):
    code, says = "archive.zip64_lie", "64-bit"

    def member(self):
        return Raw(data=b"small", central={"size": 0xFFFFFFFF})


class Zip64FieldInLocalHeaderOnly(HostileZip):
    code, says = "archive.zip64_lie", "64-bit"

    def member(self):
        return Raw(data=b"small", local_extra=struct.pack("<2H2Q", 1, 16, 5, 5))


class Zip64SizeDiffers(HostileZip):
    code, says = "archive.header_mismatch_sizes", "sizes"

    def member(self):
        most = {"size": 0xFFFFFFFF, "packed_size": 0xFFFFFFFF}
        return Raw(data=b"small", local=most, local_extra=struct.pack("<2H2Q", 1, 16, 6, 6))


class Zip64EndRecordContradicts(HostileZip):
    code, says = "archive.zip64_lie", "contradict"

    def zip(self):
        plain = build(*REQUIRED)
        size, start = END.unpack(plain[-22:])[5:7]
        wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, size, start)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(plain) - 22, 1)
        return build(*REQUIRED, before_end=wide + locator)


class Zip64LocatorPointsElsewhere(HostileZip):
    code, says = "archive.zip64_lie", "64-bit"

    def zip(self):
        return build(*REQUIRED, before_end=struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1))


# --- flags, methods, extras ---------------------------------------------------------------------------------


class Encrypted(HostileZip):
    code, says = "archive.encrypted", "encrypted"

    def member(self):
        return Raw(data=b"secret", flags=1)


class StronglyEncrypted(HostileZip):
    code, says = "archive.encrypted", "encrypted"

    def member(self):
        return Raw(data=b"secret", flags=1 << 6)


class MaskedHeaders(HostileZip):
    code, says = "archive.encrypted", "encrypted"

    def member(self):
        return Raw(data=b"secret", flags=1 << 13)


class PatchData(HostileZip):
    code, says = "archive.unknown_flags", "flags"

    def member(self):
        return Raw(flags=1 << 5)


class VersionOfTheFuture(HostileZip):
    code, says = "archive.unknown_version", "version 6.4"

    def member(self):
        return Raw(central={"version": 64})


class VersionOfTheFutureInTheLocalHeader(HostileZip):
    code, says = "archive.unknown_version", "version 6.4"

    def member(self):
        return Raw(local={"version": 64})


class Bzip2(HostileZip):
    code, says = "archive.unknown_method", "method 12"

    def member(self):
        return Raw(data=b"x", method=12)


class Lzma(HostileZip):
    code, says = "archive.unknown_method", "method 14"

    def member(self):
        return Raw(data=b"x", method=14)


class MemberComment(HostileZip):
    code, says = "archive.member_comment", "comment"

    def member(self):
        return Raw(comment=b"\x1b[2J")


class SecondNameInAnExtraField(HostileZip):
    """Info-ZIP's Unicode path: some readers unpack to it instead of the name."""

    code, says = "archive.extra_field", "0x7075"

    def member(self):
        body = struct.pack("<BL", 1, zlib.crc32(b"a.txt")) + b"../../evil"
        return Raw(central_extra=struct.pack("<2H", 0x7075, len(body)) + body)


class LinkTargetInAnExtraField(HostileZip):
    code, says = "archive.extra_field", "0x756e"

    def member(self):
        body = struct.pack("<LHL2H", 0, 0o120777, 4, 0, 0) + b"/etc"
        return Raw(local_extra=struct.pack("<2H", 0x756E, len(body)) + body)


class BrokenExtraField(HostileZip):
    code, says = "archive.extra_field", "broken"

    def member(self):
        return Raw(central_extra=struct.pack("<2H", 0x5455, 500) + b"x")


# --- names --------------------------------------------------------------------------------------------------


class _Named(HostileZip):
    name: ClassVar[bytes]

    def member(self):
        return Raw(name=self.name, data=b"x")


class ParentFolder(_Named):
    code, says, name = "archive.name_escapes", "..", b"../canary"


class ParentFolderInTheMiddle(_Named):
    code, says, name = "archive.name_escapes", "..", b"a/../../canary"


class AbsolutePath(_Named):
    code, says, name = "archive.name_absolute", "/etc/cron.d/x", b"/etc/cron.d/x"


class Backslash(_Named):
    code, says, name = "archive.name_backslash", "backslash", b"..\\canary"


class DriveLetter(_Named):
    code, says, name = "archive.name_drive", "drive", b"C:canary"


class NulByte(_Named):
    code, says, name = "archive.name_nul", "NUL", b"good.txt\0.py"


class ClearsTheScreen(_Named):
    code, says, name = "archive.name_control", "\\x1b[2J", b"\x1b[2Jall-is-well"


class LineBreakInName(_Named):
    code, says, name = "archive.name_control", "\\n", b"a\nb"


class RightToLeftOverride(_Named):
    code, says, name = "archive.name_direction", "direction", "yp.\u202egnp.exe".encode()


class HebrewName(_Named):
    code, says, name = "archive.name_direction", "direction", "\u05d0.py".encode()


class ComposedAndDecomposed(_Named):
    code, says, name = "archive.name_not_ascii", "ASCII", "cafe\u0301.py".encode()


class NotUtf8(_Named):
    code, says, name = "archive.name_not_ascii", "\\xff", b"\xff\xfe.py"


class SpaceInName(_Named):
    code, says, name = "archive.name_character", "character", b"my file.py"


class MarkupInName(_Named):
    code, says, name = "archive.name_character", "character", b"[red]<script>.py"


class LongName(_Named):
    code, says, name = "archive.name_too_long", "200 bytes", b"n" * 201


class DeepName(_Named):
    code, says, name = "archive.name_too_deep", "20 folders", b"/".join([b"d"] * 21)


class FiveThousandLevels(_Named):
    code, says, name = "archive.name_too_long", "200 bytes", b"/".join([b"d"] * 5000)


class DotPart(_Named):
    code, says, name = "archive.name_dots", "dots", b"a/./b"


class ThreeDots(_Named):
    code, says, name = "archive.name_dots", "dots", b"..."


class EmptyPart(_Named):
    code, says, name = "archive.name_empty_part", "empty part", b"a//b"


class NoName(_Named):
    code, says, name = "archive.name_empty", "without a name", b""


class OnlyASlash(_Named):
    code, says, name = "archive.name_absolute", "absolute", b"/"


class DuplicateName(HostileZip):
    code, says = "archive.duplicate_name", "evaluate.py"

    def member(self):
        return Raw(name=b"evaluate.py", data=b"#!/bin/sh\n", mode=0o100755)


class CaseCollision(HostileZip):
    code, says = "archive.case_collision", "Evaluate.py"

    def member(self):
        return Raw(name=b"Evaluate.py", data=b"#!/bin/sh\n", mode=0o100755)


class CaseCollisionOfFolders(HostileZip):
    code, says = "archive.case_collision", '"lib" and "Lib"'

    def zip(self):
        return build(*REQUIRED, Raw(name=b"Lib/a.py"), Raw(name=b"lib/b.py"))


class FileUsedAsFolder(HostileZip):
    code, says = "archive.file_is_folder", "both"

    def zip(self):
        return build(*REQUIRED, Raw(name=b"lib"), Raw(name=b"lib/b.py"))


class FolderUsedAsFile(HostileZip):
    code, says = "archive.file_is_folder", "both"

    def zip(self):
        return build(*REQUIRED, Raw(name=b"lib/", mode=0o040755), Raw(name=b"lib"))


# --- kinds and modes ----------------------------------------------------------------------------------------


class SymbolicLink(HostileZip):
    code, says = "archive.link", "link"

    def member(self):
        return Raw(name=b"weights", data=b"/etc/passwd", mode=0o120777)


class WriteThroughALink(HostileZip):
    code, says = "archive.link", "link"

    def zip(self):
        return build(
            *REQUIRED, Raw(name=b"out", data=b"..", mode=0o120777), Raw(name=b"out/canary", data=b"x")
        )


class Device(HostileZip):
    code, says = "archive.special_file", "neither"

    def member(self):
        return Raw(name=b"sda", mode=0o060660)


class Fifo(HostileZip):
    code, says = "archive.special_file", "neither"

    def member(self):
        return Raw(name=b"pipe", mode=0o010644)


class Socket(HostileZip):
    code, says = "archive.special_file", "neither"

    def member(self):
        return Raw(name=b"docker.sock", mode=0o140666)


class Setuid(HostileZip):
    code, says = "archive.special_mode", "setuid"

    def member(self):
        return Raw(name=b"sh", mode=0o104755)


class FolderByModeOnly(HostileZip):
    code, says = "archive.kind_mismatch", "not by both"

    def member(self):
        return Raw(name=b"lib", mode=0o040755)


class FolderByNameOnly(HostileZip):
    code, says = "archive.kind_mismatch", "not by both"

    def member(self):
        return Raw(name=b"lib/", mode=0o100644)


class FolderByDosAttributeOnly(HostileZip):
    code, says = "archive.kind_mismatch", "not by both"

    def member(self):
        return Raw(name=b"lib", mode=0, dos=0x10)


class FolderWithData(HostileZip):
    code, says = "archive.folder_with_data", "has data"

    def member(self):
        return Raw(name=b"lib/", mode=0o040755, data=b"hidden")


# --- headers that contradict each other ---------------------------------------------------------------------


class LocalNameDiffers(HostileZip):
    code, says = "archive.header_mismatch_name", "evil\\x1b.py"

    def member(self):
        return Raw(local={"name": b"evil\x1b.py"})


class LocalSizesDiffer(HostileZip):
    code, says = "archive.header_mismatch_sizes", "sizes"

    def member(self):
        return Raw(data=b"four", local={"size": 5, "packed_size": 5})


class LocalMethodDiffers(HostileZip):
    code, says = "archive.header_mismatch_method", "method"

    def member(self):
        return Raw(data=b"four", local={"method": 8})


class LocalFlagsDiffer(HostileZip):
    code, says = "archive.header_mismatch_flags", "flags"

    def member(self):
        return Raw(data=b"four", local={"flags": 8})


class LocalCrcDiffers(HostileZip):
    code, says = "archive.header_mismatch_crc", "crc"

    def member(self):
        return Raw(data=b"four", local={"crc": 1})


class DescriptorContradicts(HostileZip):
    code, says = "archive.descriptor_mismatch", "contradicts"

    def member(self):
        zero = {"crc": 0, "size": 0, "packed_size": 0}
        return Raw(data=b"four", method=8, flags=8, local=zero, descriptor=_CRC_AND_SIZES.pack(1, 2, 3))


class StoredWithoutItsSize(HostileZip):
    """A reader of streams looks for the end and finds the one that the data shows it."""

    code, says = "archive.stored_with_descriptor", "guess"

    def member(self):
        zero = {"crc": 0, "size": 0, "packed_size": 0}
        tail = b"PK\x07\x08" + _CRC_AND_SIZES.pack(zlib.crc32(b"four"), 4, 4)
        return Raw(data=b"four", flags=8, local=zero, descriptor=tail)


class StoredWithTwoSizes(HostileZip):
    code, says = "archive.size_mismatch", "two sizes"

    def member(self):
        return Raw(data=b"four", central={"size": 3}, local={"size": 3})


class MemberReachesIntoTheDirectory(HostileZip):
    code, says = "archive.overlap", "directory"

    def member(self):
        sizes = {"size": 60, "packed_size": 60}
        return Raw(data=b"four", central=sizes, local=sizes)


class OffsetInsideTheDirectory(HostileZip):
    code, says = "archive.hidden_member", "does not list"

    def member(self):
        return Raw(
            data=b"four", central={"offset": len(b"".join(raw.local_bytes() for raw in REQUIRED)) + 30}
        )


class OffsetBehindTheEnd(HostileZip):
    code, says = "archive.hidden_member", "does not list"

    def member(self):
        return Raw(data=b"four", central={"offset": 10**9})


class NoMemberAtTheOffset(HostileZip):
    code, says = "archive.offset_broken", "no member"

    def member(self):
        return Raw(data=b"four", local={"magic": b"PK\x09\x09"})


# --- bombs --------------------------------------------------------------------------------------------------


class OverlapBomb(HostileZip):
    """Fifield's: every member quotes the next one's header and shares its data; 500 MiB from 60 kB, no nesting."""

    code, says = "archive.overlap", "bomb"
    count: ClassVar[int] = 500

    def zip(self):
        content, payload, records = bytes(_MIB), deflated(bytes(_MIB)), []
        for index in reversed(range(self.count)):
            raw = Raw(name=b"%d.bin" % index, data=content, packed=payload, method=8)
            header = raw.local_bytes()[: LOCAL.size + len(raw.name)]
            records.append((raw.central_bytes(0), len(header) + len(payload)))
            body = header + payload
            quote = struct.pack("<B2H", 0, len(header), len(header) ^ 0xFFFF)  # a stored block, not the last
            content, payload = header + content, quote + header + payload
        directory = b"".join(
            record[:42] + struct.pack("<L", len(body) - to_end) + record[46:] for record, to_end in records
        )
        return (
            body
            + directory
            + END.pack(b"PK\x05\x06", 0, 0, self.count, self.count, len(directory), len(body), 0)
        )


class SharedData(HostileZip):
    """20,000 members that are one and the same, the most we take: the check must not be slow."""

    code, says = "archive.overlap", "bomb"

    def zip(self):
        first = Raw(name=b"0", data=bytes(_MIB), method=8)
        body = first.local_bytes()
        says = {"crc": zlib.crc32(first.data), "size": _MIB, "packed_size": len(first.payload)}
        directory = b"".join(
            Raw(name=b"%d" % index, method=8, central=says).central_bytes(0) for index in range(20_000)
        )
        end = END.pack(b"PK\x05\x06", 0, 0, 20_000, 20_000, len(directory), len(body), 0)
        return body + directory + end


class RatioBomb(HostileZip):
    code, says = "archive.ratio", "200 times"

    def member(self):
        return Raw(name=b"zeros", data=bytes(8 * _MIB), method=8)


class HugeFile(HostileZip):
    code, says = "archive.file_too_large", "more than 1048576"
    limits = ArchiveLimits(file_bytes=_MIB)

    def member(self):
        return Raw(name=b"zeros", data=bytes(_MIB + 1), method=8)


class HugeTogether(HostileZip):
    code, says = "archive.total_too_large", "together"
    limits = ArchiveLimits(total_bytes=_MIB)

    def zip(self):
        return build(*REQUIRED, *(Raw(name=b"%d" % i, data=bytes(_MIB // 2), method=8) for i in range(3)))


class DeclaredSmall(HostileZip):
    """The header says 10 bytes and the data inflates to 8 MiB: limits on headers alone would let it through."""

    code, says = "archive.size_mismatch", "10"

    def member(self):
        says = {"size": 10}
        return Raw(name=b"small", data=bytes(8 * _MIB), method=8, local=says, central=says)


class DeclaredLarge(HostileZip):
    code, says = "archive.size_mismatch", "4 bytes"

    def member(self):
        says = {"size": 10}
        return Raw(data=b"four", method=8, local=says, central=says)


class TooManyFiles(HostileZip):
    code, says = "archive.too_many_files", "20001 members"

    def zip(self):
        return build(*(Raw(name=b"%d" % index) for index in range(20_001)))


class TooManyFolders(HostileZip):
    """1,100 members; nineteen folders of its own for each."""

    code, says = "archive.too_many_files", "20000 files and folders"

    def zip(self):
        return build(*(Raw(name=b"/".join([b"%d" % index] * 20)) for index in range(1_100)))


class TooLargeAZip(HostileZip):
    code, says = "archive.zip_too_large", "larger"
    limits = ArchiveLimits(zip_bytes=1000)

    def member(self):
        return Raw(data=bytes(1000))


# --- damaged data -------------------------------------------------------------------------------------------


class WrongChecksum(HostileZip):
    code, says = "archive.crc_mismatch", "checksum"

    def member(self):
        return Raw(data=b"four", packed=b"five")


class NotDeflate(HostileZip):
    code, says = "archive.deflate_broken", "cannot be unpacked"

    def member(self):
        return Raw(data=b"four", packed=b"\xff\xff\xff\xff", method=8)


class DeflateCutOff(HostileZip):
    code, says = "archive.deflate_broken", "cut off"

    def member(self):
        return Raw(data=bytes(range(256)), packed=deflated(bytes(range(256)))[:-5], method=8)


class DataBehindTheDeflateStream(HostileZip):
    code, says = "archive.deflate_trailing", "behind the end"

    def member(self):
        return Raw(data=b"four", packed=deflated(b"four") + b"hidden", method=8)


# --- entries that would not start ---------------------------------------------------------------------------


class EmptyZip(HostileZip):
    code, says = "archive.missing_file", "wmc.toml, build.sh and evaluate.py are missing"

    def zip(self):
        return build()


class NoManifest(HostileZip):
    code, says = "archive.missing_file", "wmc.toml is missing"

    def zip(self):
        return build(*REQUIRED[:2])


class NoBuildScript(HostileZip):
    code, says = "archive.missing_file", "build.sh is missing"

    def zip(self):
        return build(*REQUIRED[1:])


class NoEvaluateScript(HostileZip):
    code, says = "archive.missing_file", "evaluate.py is missing"

    def zip(self):
        return build(REQUIRED[0], REQUIRED[2])


class NestedRoot(HostileZip):
    code, says = "archive.nested_root", "everything is inside my-entry/"

    def zip(self):
        nested = (
            Raw(name=b"my-entry/build.sh", data=BUILD_SH, mode=0o100755),
            Raw(name=b"my-entry/evaluate.py", data=EVALUATE_PY, mode=0o100755),
            Raw(name=b"my-entry/wmc.toml", data=MANIFEST),
            Raw(name=b"__MACOSX/my-entry/._wmc.toml", data=b"x"),
        )
        return build(*nested)


class WindowsLineEnds(HostileZip):
    code, says = "archive.crlf", "build.sh"

    def zip(self):
        return build(*changed(b"build.sh", data=BUILD_SH.replace(b"\n", b"\r\n")))


class ByteOrderMark(HostileZip):
    code, says = "archive.bom", "evaluate.py"

    def zip(self):
        return build(*changed(b"evaluate.py", data=b"\xef\xbb\xbf" + EVALUATE_PY))


class NoShebang(HostileZip):
    code, says = "archive.no_shebang", "evaluate.py"

    def zip(self):
        return build(*changed(b"evaluate.py", data=b"import wmc_guest\n"))


class RelativeShebang(HostileZip):
    code, says = "archive.no_shebang", "build.sh"

    def zip(self):
        return build(*changed(b"build.sh", data=b"#!bash\n"))


class NotExecutable(HostileZip):
    code, says = "archive.not_executable", "evaluate.py"

    def zip(self):
        return build(*changed(b"evaluate.py", mode=0o100644))


class PackedOnWindows(HostileZip):
    """No modes at all."""

    code, says = "archive.not_executable", "build.sh and evaluate.py"

    def zip(self):
        return build(*(Raw(name=raw.name, data=raw.data, mode=0) for raw in REQUIRED))


class EndlessBuildScript(HostileZip):
    code, says = "archive.script_too_large", "build.sh"

    def zip(self):
        return build(*changed(b"build.sh", data=BUILD_SH + b"#" * 300_000))


def every_case() -> list[type[HostileZip]]:
    """All cases that say what they must be refused with."""
    found, waiting = [], [HostileZip]
    while waiting:
        case = waiting.pop()
        waiting += case.__subclasses__()
        if "code" in vars(case):
            found.append(case)
    return sorted(found, key=lambda case: case.__name__)
