"""Reports turned into what people look at: text with tables, plots, files, and the page of `cenet report`.

Nothing is scored here, and nothing is predicted.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cenet.reporting.comparison_text import format_ablation, format_comparison
    from cenet.reporting.evaluation_text import format_evaluation, summarise_evaluation
    from cenet.reporting.files import write_ablation_files, write_comparison_files, write_evaluation_files
    from cenet.reporting.html_report import write_html_report

_MODULES = {
    "format_ablation": "comparison_text",
    "format_comparison": "comparison_text",
    "format_evaluation": "evaluation_text",
    "summarise_evaluation": "evaluation_text",
    "write_ablation_files": "files",
    "write_comparison_files": "files",
    "write_evaluation_files": "files",
    "write_html_report": "html_report",
}

__all__ = [
    "format_ablation",
    "format_comparison",
    "format_evaluation",
    "summarise_evaluation",
    "write_ablation_files",
    "write_comparison_files",
    "write_evaluation_files",
    "write_html_report",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the command line answers at once."""
    if name not in _MODULES:
        raise AttributeError(f"module 'cenet.reporting' has no attribute {name!r}")
    return getattr(import_module(f"cenet.reporting.{_MODULES[name]}"), name)
