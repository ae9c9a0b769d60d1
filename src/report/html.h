// Parts of the report's page: text made harmless, a table, intervals drawn as whiskers, a picture inside the page.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/table.h"

namespace liere::report {

/// Text for between tags and inside quoted attributes; what XML cannot hold (control characters, bytes that are not UTF-8) becomes U+FFFD.
std::string escaped_for_html(std::string_view text);

/// The table within a frame that scrolls sideways where it is too wide, its pictures as the last column, its notes beneath; "" without rows.
std::string html(const Table& table);

/// A figure and its interval on a common axis.
struct Whisker {
  double value = std::numeric_limits<double>::quiet_NaN(), low = value, high = value;
  std::string color;              // a CSS colour
  std::string title;              // shown under the pointer
  std::vector<double> dots = {};  // every seed by itself
};

/// The ends of an axis that holds all of them with a little room; {0, 1} where nothing is known.
std::pair<double, double> axis_of(const std::vector<Whisker>& whiskers);

/// A small SVG: one line per whisker, beneath each other, a dot at the figure. Unknown ones leave their line empty; a thin
/// line stands at `reference`.
std::string whiskers_svg(const std::vector<Whisker>& whiskers, std::pair<double, double> axis, std::optional<double> reference = {});

/// "data:image/png;base64,..." (RFC 4648).
std::string png_uri(std::string_view bytes);

/// gnuplot's SVG file as a part of a page: without its prologue, its identifiers told apart by `name`, its greys those of the page's style; scaled to
/// the page's width.
std::string inline_svg(const std::string& file, const std::string& name, const std::string& description);

}  // namespace liere::report
