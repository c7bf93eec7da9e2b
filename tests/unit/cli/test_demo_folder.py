"""The folder of a demo: new or an earlier demo's, and one demo's at a time."""

import pytest

from lilong.cli.demo.folder import DemoFolderTaken, fresh_folder


def test_a_folder_of_somebody_else_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(DemoFolderTaken, match="not a demo's"), fresh_folder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_earlier_demos_folder_is_emptied_and_what_a_link_in_it_points_to_stays(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    with fresh_folder(tmp_path / "demo") as folder:
        (folder / "keys").mkdir()
        (folder / "keys" / "a").touch()
        (folder / "link").symlink_to(other)
    with fresh_folder(tmp_path / "demo") as folder:
        left = [path.name for path in folder.iterdir()]

    assert left == [".lilong-demo"]
    assert (other / "kept").exists()


def test_a_folder_in_which_a_demo_plays_is_refused(tmp_path):
    with (
        fresh_folder(tmp_path / "demo"),
        pytest.raises(DemoFolderTaken, match="plays"),
        fresh_folder(tmp_path / "demo"),
    ):
        pass
