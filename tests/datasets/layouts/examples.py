"""The same three drawn eyes in the form of every annotation tool, with the masks that each must give."""

import base64
import io
import json
import warnings

import numpy as np
from PIL import Image
from pycocotools import mask as coco

NAMES = ("left", "middle", "right")
SHAPE = (48, 64)
DISC, CUP = 1, 2


def make(folder, *names):
    """Make empty files in a folder, and return it."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def corners_of(name):
    """The corners of a disc and of the cup in it, x and y in pixels."""
    shift = 6 * NAMES.index(name)
    disc = [(10 + shift, 8), (40 + shift, 8), (40 + shift, 38), (10 + shift, 38)]
    cup = [(20 + shift, 16), (30.5 + shift, 16), (30 + shift, 26), (20 + shift, 26.5)]
    return {"disc": disc, "cup": cup}


def mask_of(name):
    """The class indices of an eye, filled by pycocotools: the cup lies on the disc."""
    mask = np.zeros(SHAPE, np.uint8)
    for value, corners in enumerate(corners_of(name).values(), start=1):
        outlines = [np.array(corners, np.float64).ravel().tolist()]
        (encoded,) = coco.frPyObjects(outlines, *SHAPE)
        mask[_fill(encoded)] = value
    return mask


def _fill(encoded):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return coco.decode(encoded).astype(np.bool_)


def draw_image(path, name, seed=0):
    rng = np.random.default_rng(seed + NAMES.index(name))
    pixels = rng.integers(0, 60, (*SHAPE, 3)) + 60 * mask_of(name)[..., None]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_coco(folder, *, kind="polygon"):
    images, annotations = [], []
    for number, name in enumerate(NAMES):
        draw_image(folder / "images" / f"{name}.png", name)
        images.append({"id": number, "file_name": f"{name}.png", "width": SHAPE[1], "height": SHAPE[0]})
        for category, corners in reversed(list(enumerate(corners_of(name).values(), start=1))):
            flat = np.array(corners, np.float64).ravel().tolist()
            segmentation = [flat]
            if kind != "polygon":
                (encoded,) = coco.frPyObjects([flat], *SHAPE)
                segmentation = {"size": list(SHAPE), "counts": encoded["counts"].decode()}
            if kind == "counts":
                flat_mask = _fill(encoded).T.ravel()
                edges = np.flatnonzero(np.diff(np.concatenate([[0], flat_mask, [2]]).astype(int)))
                segmentation["counts"] = np.diff(np.concatenate([[0], edges])).tolist()
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category, "segmentation": segmentation}
            )
    categories = [{"id": 1, "name": "disc"}, {"id": 2, "name": "cup"}, {"id": 9, "name": "unused"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_json(folder / "annotations" / "instances.json", content)


def write_yolo(folder):
    for part, names in (("train", NAMES[:2]), ("val", NAMES[2:])):
        for name in names:
            draw_image(folder / "images" / part / f"{name}.png", name)
            lines = []
            for number, corners in enumerate(corners_of(name).values()):
                shares = np.array(corners, np.float64) / SHAPE[::-1]
                lines.append(f"{number} " + " ".join(f"{share:.17g}" for share in shares.ravel()))
            path = folder / "labels" / part / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines))
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\nnames:\n  0: disc\n  1: cup\n")


def write_labelme(folder):
    for name in NAMES:
        draw_image(folder / f"{name}.png", name)
        corners = corners_of(name)
        disc = [list(corners["disc"][0]), list(corners["disc"][2])]
        cup = np.array(mask_of(name) == CUP)
        rows, columns = (np.flatnonzero(cup.any(axis=axis)) for axis in (1, 0))
        file = io.BytesIO()
        part = cup[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        Image.fromarray(part.astype(np.uint8) * 255).save(file, "PNG")
        shapes = [
            {
                "label": "cup",
                "shape_type": "mask",
                "points": [[int(columns[0]), int(rows[0])], [int(columns[-1]), int(rows[-1])]],
                "mask": base64.b64encode(file.getvalue()).decode(),
            },
            {"label": "disc", "shape_type": "rectangle", "points": disc},
            {"label": "disc", "shape_type": "point", "points": [[1, 1]]},
        ]
        content = {"version": "5.5", "flags": {}, "shapes": shapes, "imagePath": f"{name}.png", "imageData": None}
        write_json(folder / f"{name}.json", content | {"imageHeight": SHAPE[0], "imageWidth": SHAPE[1]})


def write_cvat(folder):
    lines = []
    for number, name in enumerate(NAMES):
        draw_image(folder / "images" / f"{name}.png", name)
        cup = mask_of(name) == CUP
        rows, columns = (np.flatnonzero(cup.any(axis=axis)) for axis in (1, 0))
        part = cup[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        flat = np.concatenate([[0], part.ravel(), [2]]).astype(int)
        runs = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(flat))]))
        points = ";".join(f"{x},{y}" for x, y in corners_of(name)["disc"])
        lines.append(
            f'<image id="{number}" name="{name}.png" width="{SHAPE[1]}" height="{SHAPE[0]}">'
            f'<mask label="cup" rle="{", ".join(map(str, runs))}" left="{columns[0]}" top="{rows[0]}" '
            f'width="{part.shape[1]}" height="{part.shape[0]}" z_order="1"/>'
            f'<polygon label="disc" points="{points}" z_order="0"/>'
            f'<points label="disc" points="1,1" z_order="0"/></image>'
        )
    labels = "".join(f"<label><name>{name}</name></label>" for name in ("disc", "cup"))
    meta = f"<meta><task><labels>{labels}</labels></task></meta>"
    (folder / "annotations.xml").write_text(
        f'<?xml version="1.0"?><annotations><version>1.1</version>{meta}{"".join(lines)}</annotations>'
    )


def write_label_studio(folder, pack_brush):
    tasks = []
    for number, name in enumerate(NAMES):
        draw_image(folder / "images" / f"{name}.png", name)
        size = {"original_width": SHAPE[1], "original_height": SHAPE[0]}
        points = (np.array(corners_of(name)["disc"]) / SHAPE[::-1] * 100).tolist()
        brush = list(pack_brush(mask_of(name) == CUP))
        results = [
            {**size, "type": "brushlabels", "value": {"format": "rle", "rle": brush, "brushlabels": ["cup"]}},
            {**size, "type": "polygonlabels", "value": {"points": points, "polygonlabels": ["disc"]}},
        ]
        image = f"/data/upload/1/0a1b2c3d-{name}.png"
        tasks.append({"id": number, "data": {"image": image}, "annotations": [{"result": results}]})
    write_json(folder / "export.json", tasks)


def write_voc(folder, *, palette):
    colours = {"background": (0, 0, 0), "disc": (250, 50, 83), "cup": (0, 170, 255)}
    for name in NAMES:
        draw_image(folder / "JPEGImages" / f"{name}.png", name)
        mask = Image.fromarray(mask_of(name))
        mask.putpalette([number for colour in colours.values() for number in colour])
        path = folder / "SegmentationClass" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        (mask if palette else mask.convert("RGB")).save(path)
    lines = [f"{name}:{','.join(map(str, colour))}::" for name, colour in colours.items()]
    (folder / "labelmap.txt").write_text("# label:color_rgb:parts:actions\n" + "\n".join(lines) + "\n")
