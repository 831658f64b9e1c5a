"""Print the tables of hostile input: ``python -m tests.hostile`` gives Markdown."""

import sys
from collections.abc import Iterator

from tests.hostile.accepted_images import ACCEPTED_IMAGES
from tests.hostile.field_rows import FIELD_ROWS
from tests.hostile.form_rows import FRAME_ROWS
from tests.hostile.refused_images import REFUSED_IMAGES
from tests.hostile.rows import FormRow, ImageRow


def lines() -> Iterator[str]:
    yield "| row | input | answer | a batch | the end | remark |"
    yield "| --- | --- | --- | --- | --- | --- |"
    images = sorted((*REFUSED_IMAGES, *ACCEPTED_IMAGES), key=lambda row: row.id)
    forms = sorted((*FRAME_ROWS, *FIELD_ROWS), key=lambda row: row.id)
    yield from (_image_line(row) for row in images)
    yield from (_form_line(row) for row in forms)


def _image_line(row: ImageRow) -> str:
    end = "-" if row.code else ", ".join(sorted(row.ends))
    answer = f"{row.status} {row.code}"
    return f"| {row.id} | {row.what} | {answer} | 202 | {end} | {row.corrected} |"


def _form_line(row: FormRow) -> str:
    status, code = row.answer
    batch_status, batch_code = row.process or row.answer
    # What a submission takes is not sent to a batch, whose fields are others.
    batch = f"{batch_status} {batch_code}" if code else "-"
    cells = [row.id, row.what, f"{status} {code}", batch, "-" if code else "completed"]
    return f"| {' | '.join(cells)} | {row.corrected} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
