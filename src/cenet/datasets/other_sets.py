"""Further data sets: how their files are laid out, so that one of the tasks reads them."""

from dataclasses import dataclass

UNTRIED = "not tried on the real files"


@dataclass(frozen=True)
class OtherSet:
    """A data set without a reader of its own.

    Args:
        title: What it is.
        source: Where to get it, and on what terms.
        task: Which of `cenet.datasets.registry.TASKS` reads it.
        layout: The files as that task expects them, as a tree.
        how: How to get there from the files as distributed.

    >>> print(OTHER_SETS["hrf"])
    HRF: vessels in 45 fundus photographs, 3504x2336 px (task vessels; not tried on the real files)
      source: the University of Erlangen-Nuremberg; terms: see its page (Budai et al., 2013)
      to do: rename manual1 to masks, and mask to regions
        DATA/images/01_dr.jpg
        DATA/masks/01_dr.tif
        DATA/regions/01_dr_mask.tif
    """

    title: str
    source: str
    task: str
    layout: str
    how: str

    def __str__(self) -> str:
        tree = "\n".join(f"    {line}" for line in self.layout.splitlines())
        return f"{self.title} (task {self.task}; {UNTRIED})\n  source: {self.source}\n  to do: {self.how}\n{tree}"


OTHER_SETS: dict[str, OtherSet] = {
    "stare": OtherSet(
        title="STARE: vessels in 20 fundus photographs, 700x605 px",
        source="the STARE project of Clemson University; for research (Hoover et al., 2000)",
        task="vessels",
        layout="DATA/images/im0001.png\nDATA/masks/im0001.png",
        how="convert the ppm files to png; as mask take im0001.ah.ppm, the first observer",
    ),
    "hrf": OtherSet(
        title="HRF: vessels in 45 fundus photographs, 3504x2336 px",
        source="the University of Erlangen-Nuremberg; terms: see its page (Budai et al., 2013)",
        task="vessels",
        layout="DATA/images/01_dr.jpg\nDATA/masks/01_dr.tif\nDATA/regions/01_dr_mask.tif",
        how="rename manual1 to masks, and mask to regions",
    ),
    "origa": OtherSet(
        title="ORIGA: disc and cup in 650 fundus photographs, 3072x2048 px",
        source="its owners (Zhang et al., 2010); not public",
        task="disc",
        layout="DATA/images/001.jpg\nDATA/masks/disc/001.png\nDATA/masks/cup/001.png",
        how="draw disc and cup as two filled masks, the disc with its cup",
    ),
    "messidor": OtherSet(
        title="Messidor: the disc in 1200 fundus photographs of three sizes",
        source="the Messidor programme, after registration (Decenciere et al., 2014)",
        task="disc",
        layout="DATA/images/20051020_43808_0100_PP.tif\nDATA/masks/disc/20051020_43808_0100_PP.png",
        how="draw the outlines of the disc, which others publish, as filled masks; add --num-classes 1 --nested false",
    ),
    "rim-one-r1": OtherSet(
        title="RIM-ONE r1: the disc in fundus photographs, drawn by five experts",
        source="the University of La Laguna; terms: see its page (Fumero et al., 2011)",
        task="disc",
        layout=(
            "DATA/images/Im001.bmp\nDATA/experts/1/Im001.png\nDATA/experts/2/Im001.png\nDATA/experts/3/Im001.png\n"
            "DATA/experts/4/Im001.png\nDATA/experts/5/Im001.png"
        ),
        how=(
            "put each expert's masks into a folder; what three of five drew is the disc, where the paper takes one of "
            "them; add --num-classes 1 --nested false"
        ),
    ),
    "kaggle-lungs": OtherSet(
        title="Finding and Measuring Lungs in CT Data: 267 slices of 512x512 px",
        source="Kaggle (K. Mader); terms: see its page",
        task="lung",
        layout="DATA/images/ID_0000_Z_0142.tif\nDATA/masks/ID_0000_Z_0142.tif",
        how="rename 2d_images to images, and 2d_masks to masks",
    ),
    "topcon": OtherSet(
        title="The paper's Topcon volumes: 11 boundaries, 12 classes",
        source="not public, as far as is known",
        task="oct",
        layout="DATA/images/eye-01_000.png\nDATA/boundaries/eye-01_000.npy\nDATA/pixels.json",
        how='save each B-scan as grey png and its boundaries as npy, (11, columns); add --group-pattern "^[^_]+"',
    ),
    "duke-dme": OtherSet(
        title="Duke DME: 110 B-scans of 10 patients, 8 boundaries",
        source="the Vision and Image Processing Laboratory, Duke University; terms: see its page (Chiu et al., 2015)",
        task="oct",
        layout="DATA/images/Subject-01_11.png\nDATA/boundaries/Subject-01_11.npy\nDATA/pixels.json",
        how=(
            "of each Subject_NN.mat save images[:, :, i] as grey png and manualLayers1[:, :, i] - 1 as npy, where that "
            'is not all NaN (MATLAB counts rows from 1); add --group-pattern "^[^_]+"'
        ),
    ),
}
