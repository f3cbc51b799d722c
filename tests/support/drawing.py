"""How pygal's pictures get onto our pages: in the page's own colours, light or dark, and without scripts."""

from __future__ import annotations

import sys
from typing import Any

from pygal.style import Style

# pygal leaves a finder of a kind behind that Python has given up, and that pytest stumbles over. It is for maps.
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="var(--ink)",
    foreground_strong="var(--ink)",
    foreground_subtle="var(--faint)",
    colors=tuple(f"var(--line{index})" for index in range(1, 9)),
    font_family="system-ui, sans-serif",
    label_font_size=13,
    major_label_font_size=13,
    legend_font_size=14,
    title_font_size=15,
    value_font_size=13,
    value_label_font_size=13,
    value_colors=("var(--ink)",) * 8,
    opacity=0.9,
    opacity_hover=1,
    guide_stroke_dasharray="1, 5",
    major_guide_stroke_dasharray="1, 5",
    guide_stroke_color="var(--faint)",
    major_guide_stroke_color="var(--faint)",
)


def inline_svg(canvas: Any, alternative: str) -> str:
    """Inline SVG without scripts, read aloud as one picture."""

    def quiet(root: Any) -> Any:
        for parent in list(root.iter()):
            for child in list(parent):
                if str(child.tag).endswith("script"):
                    parent.remove(child)
        root.set("role", "img")
        root.set("aria-label", alternative)
        return root

    canvas.add_xml_filter(quiet)
    return str(canvas.render(is_unicode=True))
