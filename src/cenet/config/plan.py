"""A plan: a recipe that was made for a data set and a machine, and why each of its values was chosen."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from cenet.config.recipe import Recipe
from cenet.config.recipe_command import format_value


class Choice(BaseModel):
    """One value of a recipe, and the measured value that caused it.

    Args:
        field: The field of the recipe.
        value: Its value, as the command line takes it.
        reason: The measured value and what follows from it, in a sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: Annotated[str, Field(min_length=1, max_length=200)]
    value: Annotated[str, Field(max_length=1000)]
    reason: Annotated[str, Field(max_length=2000)]


class Plan(BaseModel):
    """A recipe for a data set and a machine.

    Args:
        recipe: The recipe.
        choices: Its values that follow from what was measured, each with its reason.
        warnings: What makes a good training unlikely, and what would help.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    choices: tuple[Choice, ...]
    warnings: tuple[str, ...] = ()

    def with_recipe(self, recipe: Recipe, reason: str) -> "Plan":
        """Return the plan for a recipe that was changed afterwards.

        Args:
            recipe: The changed one.
            reason: Of the values that differ.
        """
        choices = tuple(
            choice
            if getattr(recipe, choice.field) == getattr(self.recipe, choice.field)
            else Choice(field=choice.field, value=format_value(getattr(recipe, choice.field)), reason=reason)
            for choice in self.choices
        )
        return Plan(recipe=recipe, choices=choices, warnings=self.warnings)

    def reason(self, field: str) -> str:
        """Return why a field has its value.

        Raises:
            KeyError: Nothing was chosen for it.
        """
        return {choice.field: choice.reason for choice in self.choices}[field]

    def describe(self) -> list[str]:
        """Return a line for each choice, and one for each warning."""
        settings = [f"{choice.field} = {choice.value}" for choice in self.choices]
        width = max(map(len, settings), default=0)
        lines = [f"{setting:{width}}  {choice.reason}" for setting, choice in zip(settings, self.choices, strict=True)]
        return [*lines, *(f"warning: {warning}" for warning in self.warnings)]
