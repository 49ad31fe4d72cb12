"""The verbs about released models."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg


@dataclass(frozen=True, kw_only=True)
class Models:
    """List the released models that are installed, or show the card of one.

    Examples:
      cenet models
      cenet models vessels-open
    """

    model: Annotated[Positional[str | None], arg(metavar="[NAME]", help_behavior_hint="(default: list all)")] = None
    """a model's name"""

    def execute(self) -> None:
        """Print the table, or the card."""
        from cenet.models.installed import find_model, list_installed_models
        from cenet.models.model_info import ModelInfo
        from cenet.reporting.models_text import format_model_card, format_models

        if self.model:
            print(format_model_card(ModelInfo.load(find_model(self.model)), "terminal"))
        else:
            print(format_models([ModelInfo.load(folder) for folder in list_installed_models().values()]))
