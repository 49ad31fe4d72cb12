"""The eye's coordinates: one retina, whatever the size of the picture."""

import numpy as np

from cenet.phantoms.eye import Eye, choose_eye


def eyes(count: int, *, size_px: int = 64) -> list[Eye]:
    return [choose_eye(np.random.default_rng(seed), size_px) for seed in range(count)]


def test_points_of_the_retina_come_back() -> None:
    rows, columns = np.mgrid[:64, :64] + 0.5
    for eye in eyes(4):
        pixels = (eye.disc + np.stack([eye.x, eye.y], -1) @ eye.axes) * eye.scale
        np.testing.assert_allclose(pixels, np.stack([columns, rows], -1), atol=1e-3)
        from_centre = np.hypot(eye.x - eye.centre[0], eye.y - eye.centre[1]) / eye.radius
        np.testing.assert_allclose(from_centre, np.hypot(eye.across, eye.down), atol=1e-3)


def test_distances_are_kept_and_left_and_right_eyes_mirror_each_other() -> None:
    several = eyes(12)
    for eye in several:
        np.testing.assert_allclose(eye.axes @ eye.axes.T, np.eye(2), atol=1e-12)
    assert {round(np.linalg.det(eye.axes)) for eye in several} == {-1, 1}


def test_the_size_changes_the_pixels_and_not_the_eye() -> None:
    for small, large in zip(eyes(4, size_px=64), eyes(4, size_px=128), strict=True):
        for name in ("zoom", "reach", "radius", "centre", "disc", "axes"):
            np.testing.assert_array_equal(getattr(small, name), getattr(large, name))
        assert large.scale == 2 * small.scale
        for name in ("x", "y", "across", "down"):
            blocks = getattr(large, name).reshape(64, 2, 64, 2).mean((1, 3))
            np.testing.assert_allclose(blocks, getattr(small, name), atol=1e-3)


def test_most_views_are_centred_on_the_fovea_and_some_on_the_disc() -> None:
    several = eyes(60)
    on_fovea = [np.hypot(eye.centre[0] - eye.reach, eye.centre[1]) < 0.2 * eye.radius for eye in several]
    on_disc = [np.hypot(*eye.centre) < 0.2 * eye.radius for eye in several]
    assert all(fovea != disc for fovea, disc in zip(on_fovea, on_disc, strict=True))
    assert 0.5 < np.mean(on_fovea) < 0.9
