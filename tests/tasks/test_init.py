from cenet.tasks import TASKS


def test_every_task_says_what_it_is():
    for task in TASKS.values():
        assert task.title
        assert task.source
        assert task.layout
        assert task.grouping
        assert callable(task.read)
