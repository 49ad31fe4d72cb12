import pytest

from cenet.tasks import TASKS, class_names


def test_every_task_says_what_it_is():
    for task in TASKS.values():
        assert task.title
        assert task.source
        assert task.layout
        assert task.grouping
        assert callable(task.read)


@pytest.mark.parametrize(
    ("task", "num_classes", "names"),
    [
        ("drive", 1, ("vessel",)),
        ("drive", 2, ("vessel",)),
        ("chase", 3, ("class 1", "class 2")),
        ("folder", 1, ("foreground",)),
        ("nnunet", 4, ("class 1", "class 2", "class 3")),
    ],
)
def test_classes_are_called_as_the_task_calls_them_where_their_number_fits(task, num_classes, names):
    assert class_names(num_classes, task) == names
