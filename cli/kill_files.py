"""The kill file of a desk, put wherever an engine of it looks.

Lives here: ``leave_kill_files``, for ``halt --file`` and ``flatten --emergency``. May import:
``adapters.control``, ``cli``. Always holds: one place is enough; a place that is unsafe is passed
over, one that cannot be written is named. Start reading at ``leave_kill_files``.
"""

from __future__ import annotations

from pathlib import Path

from cli.errors import UserError
from cli.options import Common


def leave_kill_files(
    common: Common, folders: tuple[Path, ...], level: str | None, why: str
) -> tuple[list[Path], list[str]]:
    """Where it was left, and what was in the way elsewhere."""
    from adapters.control.kill import write_kill_file
    from adapters.control.place import PlaceUnsafe, check_folder, kill_files
    from cli.paths import desk_folder, make_private

    desk, *others = kill_files(common.home, common.desk, folders)
    left: list[Path] = []
    failed: list[str] = []
    for path in (desk, *others):
        try:
            if path == desk:
                make_private(desk_folder(common.home, common.desk))
            else:
                check_folder(path.parent)  # an engine that runs has made its own
            write_kill_file(path, level, why)
            left.append(path)
        except PlaceUnsafe:
            continue
        except (OSError, UserError) as error:
            failed.append(f"{path}: {getattr(error, 'strerror', None) or error}")
    return left, failed
