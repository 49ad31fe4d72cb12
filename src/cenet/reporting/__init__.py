"""Reports turned into what people look at: text with tables, plots, files, and the page of `cenet report`.

Nothing is scored here, and nothing is predicted.
"""

from typing import TYPE_CHECKING

from lazy_loader import attach

if TYPE_CHECKING:
    from cenet.reporting.comparison_text import format_ablation, format_comparison
    from cenet.reporting.evaluation_text import format_evaluation, summarise_evaluation
    from cenet.reporting.files import write_ablation_files, write_comparison_files, write_evaluation_files
    from cenet.reporting.html_report import report


__all__ = [
    "format_ablation",
    "format_comparison",
    "format_evaluation",
    "report",
    "summarise_evaluation",
    "write_ablation_files",
    "write_comparison_files",
    "write_evaluation_files",
]

# Imported when first used.
__getattr__, __dir__, _ = attach(
    __name__,
    submod_attrs={
        "comparison_text": ["format_ablation", "format_comparison"],
        "evaluation_text": ["format_evaluation", "summarise_evaluation"],
        "files": ["write_ablation_files", "write_comparison_files", "write_evaluation_files"],
        "html_report": ["report"],
    },
)
