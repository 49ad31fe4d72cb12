"""The shards of predictions become one: what they wrote is checked, and listed in one table."""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path

from cenet.data.io.outputs import Note, OutputFolder
from cenet.errors import CenetError
from cenet.inference.shards import ShardFile, check_alike, find_shard_file, hash_titles, is_same_setting, read_shards
from cenet.inference.trust import write_measurements
from cenet.measurements import format_csv

LIST = "predictions.csv"


def merge_shards(path: Path, *, overwrite: bool = False) -> list[str]:
    """Check that the shards in an output folder are complete, and write what lists all of their predictions.

    Args:
        path: The folder, into which every shard was predicted or copied.
        overwrite: Replace a list that this function did not write.

    Returns:
        Remarks.

    Raises:
        CenetError: A shard, an image or a file is missing, damaged or doubled, or shards differ in model or options.
    """
    output = OutputFolder(path, verb="predict", overwrite=overwrite)
    shards = read_shards(path)
    if not shards:
        remedy = "name the --output of `cenet predict --shard`"
        raise CenetError(path, "holds no shards of predictions", remedy)
    for shard in shards:
        check_alike(path, shard, shards[0])
    count = shards[0].shards
    if missing := sorted(set(range(1, count + 1)) - {shard.shard for shard in shards}):
        verb = "is" if len(missing) == 1 else "are"
        cause = f"{len(missing)} of its {count} shards {verb} missing, such as {missing[0]}/{count}"
        raise CenetError(path, cause, "predict them, or copy their files into this folder")
    columns = zip_longest(*(shard.files for shard in shards))
    titles = [title for title in chain.from_iterable(columns) if title is not None]
    files = {title: names for shard in shards for title, names in shard.files.items()}
    if hash_titles(titles) != shards[0].list_sha256:
        cause = "the shards do not add up to the images that each of them was given"
        raise CenetError(path, cause, "predict them again, into another --output")
    earlier: dict[str, list[Note]] = {}
    for note in output.notes:
        earlier.setdefault(str(note["image"]), []).append(note)
    notes: dict[str, Note] = {}
    for shard in shards:
        notes |= _find_finished(output, shard, earlier)
    failed = {title: reason for shard in shards for title, reason in shard.failed.items() if title not in notes}
    rows = [
        {"image": title, "error": failed[title]} if title in failed else _describe(title, files[title], notes[title])
        for title in titles
    ]
    output.write_text(LIST, format_csv(rows))
    if any("row" in note for note in notes.values()):
        write_measurements(output, notes)
    remarks = []
    if failed:
        remarks.append(f"{len(failed)} of {len(titles)} images could not be predicted, see the column error of {LIST}")
    engines = sorted({str(notes[title]["engine"]) for title in titles if title not in failed})
    if len(engines) > 1:
        remarks.append(f"computed by {' and '.join(engines)}, whose masks may differ in single pixels")
    return remarks


def _find_finished(output: OutputFolder, shard: ShardFile, earlier: Mapping[str, Sequence[Note]]) -> dict[str, Note]:
    """The notes on a shard's images, of which each that did not fail must be as it was written.

    An image that failed may have been predicted since, without `--shard`.
    """
    declared_ns = find_shard_file(output.path, shard).stat().st_mtime_ns
    finished = {}
    for title, names in shard.files.items():
        alike = [note for note in earlier.get(title, ()) if _has_settings(note, shard.settings)]
        if not alike or not all(output.is_intact(name) for name in names.values()):
            continue
        if title not in shard.failed or (output.path / names["mask"]).stat().st_mtime_ns > declared_ns:
            finished[title] = alike[-1]
    if unfinished := [title for title in shard.files if title not in finished and title not in shard.failed]:
        cause = f"shard {shard} lacks {len(unfinished)} of {len(shard.files)} images, such as {unfinished[0]}"
        remedy = "give the command of this shard again; move a file away that was changed since"
        raise CenetError(output.path, cause, remedy)
    return finished


def _has_settings(note: Note, settings: Note) -> bool:
    return all(is_same_setting(name, note, settings) for name in settings)


def _describe(title: str, files: Mapping[str, str], note: Note) -> dict[str, str]:
    return {"image": title, **files, "image_sha256": str(note["image_sha256"]), "engine": str(note["engine"])}
