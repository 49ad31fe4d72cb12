"""The fields of a recipe: every number of a run, with its bounds and what it means."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=1000)]


class RecipeFields(BaseModel):
    """The fields of `cenet.config.recipe.Recipe`, each checked alone; whether they fit together is checked there."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Name
    title: str = Field("", max_length=1000, description="what it is for")
    task: Name = Field(
        "folder",
        description="layout of the data set: folder (recognises most), nnunet, drive, chase, hrf, vessels, disc, lung, "
        "cells, oct, image-folders, pairs, patients, split-folders, table, coco, yolo, labelme, voc, cvat or "
        "label-studio, see `cenet tasks`",
    )
    num_classes: int = Field(1, ge=1, le=255, description="1: foreground (sigmoid); K: background first (softmax)")
    nested: bool = Field(False, description="class k lies inside class k-1, as cup in disc: a sigmoid map for each")
    ordered: bool = Field(False, description="classes lie below each other in every column, as retinal layers do")
    seed: int = Field(0, ge=0, lt=2**32, description="the only source of randomness")

    network: Name = Field("cenet", description="architecture: cenet, cenet-lite, unet, or one that --plugin adds")
    encoder: Literal["resnet18", "resnet34", "resnet34-preact", "efficientnet-lite0"] = Field(
        "resnet34-preact", description="encoder of cenet; that of cenet-lite is always efficientnet-lite0"
    )
    encoder_weights: str = Field(
        "bundled", max_length=10_000, description="bundled, imagenet, none, or a file (.safetensors, .pth)"
    )
    dac: Literal["atrous", "regular", "inception-resnet", "inception"] | None = Field(
        "atrous", description="dense atrous convolution block, or one of its ablations; none: leave it out"
    )
    rmp: bool = Field(True, description="use residual multi-kernel pooling")
    share_weights: bool = Field(
        True, description="branches share weights (authors' code) or own them (paper's drawing)"
    )
    use_stem_skip: bool = Field(False, description="add the encoder's first feature map, as the paper draws")
    use_image_skip: bool = Field(False, description="let the last block see the image itself, for what is a pixel wide")
    input_normalisation: Literal["encoder", "authors"] = Field(
        "encoder", description="first layer: what the encoder's weights expect, or the authors' BGR x/255*3.2-1.6"
    )

    resize_mode: Literal["native", "longest", "square", "field-of-view"] = Field(
        "native",
        description="native: times --scale; longest: longest side to --size-px; square: squash to --size-px; "
        "field-of-view: diameter of a fundus photograph's field of view to --size-px",
    )
    scale: float = Field(1.0, gt=0, le=8, description="with --resize-mode native: factor on the image's own size")
    size_px: int = Field(448, ge=32, le=4096, description="with --resize-mode longest, square or field-of-view: pixels")
    roi_fraction: float | None = Field(
        None, gt=0, le=2, description="side of the square around what a localiser finds, in fields of view; none: all"
    )
    localiser_size_px: int = Field(
        256, ge=32, le=1024, description="with --roi-fraction: side of the image that the localiser sees, pixels"
    )
    localiser_epochs: int = Field(
        30, ge=1, le=10**6, description="with --roi-fraction: epochs of the localiser, which sees whole images"
    )
    clip_low: float | None = Field(
        None, description="image values below it become it, as -1024 for CT, where the scanner saw nothing; none: all"
    )
    clip_high: float | None = Field(None, description="image values above it become it; none: all stay")
    tile_px: int = Field(1536, ge=192, le=16_384, description="larger images are predicted in such windows, pixels")

    epochs: int = Field(30, ge=1, le=10**6, description="passes over the training images")
    steps_per_epoch: int | None = Field(
        None, ge=1, le=10**6, description="batches in an epoch; none: as many as show every training image once"
    )
    batch_size: int = Field(4, ge=1, le=10**6, description="images or crops in a batch")
    crop_px: int | None = Field(448, ge=32, le=4096, description="side of training crops, pixels; none: whole images")
    loss_outside_fov: bool = Field(False, description="train on labels outside the field of view too; scores never do")
    loss: Literal["dice", "cross-entropy", "dice+cross-entropy"] = Field(
        "dice+cross-entropy", description="what training minimises"
    )
    gap_weight: float = Field(
        0.0,
        ge=0,
        le=100,
        description="weight of skeleton recall, added to the loss: the share of the centre lines of the label that is "
        "missed, where a membrane or vessel has gaps; 0: without",
    )
    optimiser: Literal["sgd", "adamw"] = Field("adamw", description="optimiser")
    learning_rate: float = Field(1e-3, gt=0, le=10, description="peak learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="with --optimiser sgd: momentum")
    encoder_learning_rate_factor: float = Field(
        1.0, gt=0, le=10, description="factor on the learning rate of pretrained layers"
    )
    weight_decay: float = Field(1e-4, ge=0, le=1000, description="weight decay")
    decay_norms: bool = Field(True, description="apply weight decay to norms and biases too")
    clip_gradients: float | None = Field(
        None, gt=0, le=10**6, description="largest norm of the gradient of all weights together; none: no limit"
    )
    freeze_input_norm: bool = Field(
        False, description="with --encoder resnet34-preact: keep the statistics of its batch norm of the image"
    )
    precise_norm_batches: int | None = Field(
        None,
        ge=1,
        le=10**4,
        description="training batches over which the statistics of batch norms are estimated anew before each "
        "validation and at the end; none: keep their running averages",
    )
    schedule: Literal["poly", "one-cycle"] = Field(
        "one-cycle", description="course of the learning rate; poly: (1 - step/steps)^0.9"
    )
    patience: int | None = Field(
        None, ge=1, le=10**6, description="validations without a better Dice before training stops; none: never stop"
    )
    selection: Literal["best", "last", "average"] = Field(
        "best",
        description="weights to keep: of the epoch with the best validation Dice, of the last epoch, or the "
        "exponential moving average at its end",
    )
    average_decay: float = Field(
        0.99,
        gt=0,
        lt=1,
        description="with --selection average: how much of the average a step keeps; less in trainings of few steps",
    )
    validate_every: int = Field(1, ge=1, le=10**6, description="epochs between validations")

    expand_d4: bool = Field(False, description="an epoch holds all eight flips and turns of every image")
    flips: bool = Field(True, description="random flips and quarter turns")
    horizontal_flip_only: bool = Field(False, description="up and down differ, so flip left and right only")
    rotate_deg: float = Field(0.0, ge=0, le=180, description="random rotation up to this angle")
    elastic_px: float = Field(0.0, ge=0, le=64, description="random elastic warp: spread of the displacements, pixels")
    zoom: float = Field(0.1, ge=0, lt=1, description="random scaling of each axis, by about 1 - zoom to 1 + zoom")
    translate: float = Field(
        0.1, ge=0, lt=1, description="random shift of whole images, as a share of --size-px; crops are not shifted"
    )
    brightness: float = Field(0.1, ge=0, lt=1, description="random factor on the values")
    channel_jitter: float = Field(0.0, ge=0, lt=1, description="random factor for each channel")
    gamma: float = Field(0.0, ge=0, lt=1, description="random gamma from 1 - gamma to 1 + gamma")
    shading: float = Field(0.0, ge=0, lt=1, description="random factors that change smoothly across the image")

    threshold_metric: Literal["dice", "v_rand"] = Field("dice", description="metric that the threshold maximises")
    validate_tta: bool = Field(
        True,
        description="choose calibration and threshold for predictions with --tta too, at the end; false: for one view",
    )
    test_fraction: float = Field(0.2, ge=0, lt=1, description="share of the groups held out as test part")
    validation_fraction: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="share of the other groups that chooses epoch, calibration and threshold; 0: train on all of them, "
        "for the last weights or their average, with a threshold of 0.5",
    )

    unverified: tuple[Name, ...] = Field(
        (), max_length=100, description="fields whose value the paper's record does not confirm"
    )
