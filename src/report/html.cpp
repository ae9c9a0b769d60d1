#include "report/html.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "report/palette.h"

namespace liere::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Bytes of the UTF-8 character at `i`; 0 where there is none (also surrogates, overlong forms, and U+FFFE and U+FFFF, which XML has not).
size_t utf8_length(std::string_view text, size_t i) {
  const auto byte = [&text](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
  const unsigned first = byte(i);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xc2 && first < 0xe0 ? 2
                        : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;
  for (size_t k = 1; k < length; ++k)
    if ((byte(i + k) & 0xc0) != 0x80) return 0;
  if (length == 3 && ((first == 0xe0 && byte(i + 1) < 0xa0) || (first == 0xed && byte(i + 1) >= 0xa0))) return 0;
  if (length == 3 && first == 0xef && byte(i + 1) == 0xbf && byte(i + 2) >= 0xbe) return 0;
  if (length == 4 && ((first == 0xf0 && byte(i + 1) < 0x90) || (first == 0xf4 && byte(i + 1) >= 0x90))) return 0;
  return length;
}

std::string number(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.2f", value);
  return buffer;
}

/// "[69.0, 70.8]" in a table's cell is set back a little.
std::string cell_html(const std::string& cell) {
  if (cell == "-") return "<span class=\"interval\">\u2013</span>";
  const size_t bracket = cell.find('[');
  if (bracket == std::string::npos || cell.back() != ']' || bracket == 0) return escaped_for_html(cell);
  return escaped_for_html(cell.substr(0, bracket)) + "<span class=\"interval\">" + escaped_for_html(cell.substr(bracket)) + "</span>";
}

/// Text is left-aligned; behind the figures it may take several lines.
const char* style_of(const Table& table, size_t column) {
  if (!table.is_text(column)) return "";
  return column < table.text_columns ? " class=\"text\"" : " class=\"text free\"";
}

std::string element(const std::string& tag, const std::string& attributes, const std::string& content) {
  std::string result = "<";
  return result.append(tag).append(attributes).append(">").append(content).append("</").append(tag).append(">");
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

/// The page's colour for one of a picture's: methods have theirs, greys follow light and dark.
std::string style_color(int red, int green, int blue) {
  char hex[8];
  std::snprintf(hex, sizeof hex, "#%02X%02X%02X", red & 255, green & 255, blue & 255);
  for (int i = 0; i < kColorCount; ++i)
    if (std::string(paper_color(i)) == hex) return page_color(i);
  if (red != green || green != blue) return hex;
  return red > 200 ? "var(--line)" : red > 90 ? "var(--muted)" : "var(--ink)";
}

}  // namespace

std::string escaped_for_html(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    const auto c = static_cast<unsigned char>(text[i]);
    if (length == 0 || c == 0x7f || (c < 0x20 && c != '\t' && c != '\n')) {
      result += kReplacement;
      ++i;
      continue;
    }
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else if (c == '\'')
      result += "&#39;";
    else
      result += text.substr(i, length);
    i += length;
  }
  return result;
}

std::string html(const Table& table) {
  if (table.rows.empty()) return "";
  // Cells with the pictures' column among them.
  const auto line = [&table](std::vector<std::string> cells, const std::string& picture) {
    const size_t at = table.picture_column == 0 ? cells.size() : table.picture_column;
    if (!table.pictures.empty()) cells.insert(cells.begin() + static_cast<std::ptrdiff_t>(at), picture);
    std::string all;
    for (const std::string& cell : cells) all += cell;
    return all;
  };
  std::vector<std::string> cells;
  for (size_t i = 0; i < table.header.size(); ++i) {
    std::string lines;
    for (const std::string& part : table.header[i]) lines += (lines.empty() ? "" : "<br/>") + escaped_for_html(part);
    cells.push_back(element("th", style_of(table, i), lines));
  }
  std::string result = "<div class=\"wide\"><table>\n<thead><tr>";
  result += line(cells, element("th", " class=\"text\"", escaped_for_html(table.picture_title))) + "</tr></thead>\n<tbody>\n";
  for (size_t r = 0; r < table.rows.size(); ++r) {
    cells.clear();
    for (size_t i = 0; i < table.rows[r].size(); ++i) {
      std::string swatch;
      if (i == 0 && !table.colors.empty())
        swatch.append("<span class=\"swatch\" style=\"background:").append(page_color(table.colors[r])).append("\"></span>");
      cells.push_back(element(i == 0 ? "th" : "td", style_of(table, i), swatch + cell_html(table.rows[r][i])));
    }
    result += "<tr>" + line(cells, table.pictures.empty() ? "" : element("td", " class=\"text\"", table.pictures[r])) + "</tr>\n";
  }
  result += "</tbody></table></div>\n";
  if (table.notes.empty()) return result;
  result += "<ul class=\"notes\">\n";
  for (const std::string& note : table.notes) result += "<li>" + escaped_for_html(note) + "</li>\n";
  return result + "</ul>\n";
}

std::pair<double, double> axis_of(const std::vector<Whisker>& whiskers) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Whisker& whisker : whiskers) {
    std::vector<double> ends = {whisker.value, whisker.low, whisker.high};
    ends.insert(ends.end(), whisker.dots.begin(), whisker.dots.end());
    for (const double end : ends) {
      if (!std::isfinite(end)) continue;
      low = std::min(low, end);
      high = std::max(high, end);
    }
  }
  if (low > high) return {0, 1};
  const double room = high > low ? 0.04 * (high - low) : 0.5;
  return {low - room, high + room};
}

std::string whiskers_svg(const std::vector<Whisker>& whiskers, std::pair<double, double> axis, std::optional<double> reference) {
  constexpr double kWidth = 130, kLine = 11;
  const double height = kLine * static_cast<double>(whiskers.size()) + 2;
  const auto at = [axis, kWidth](double value) { return std::clamp(kWidth * (value - axis.first) / (axis.second - axis.first), 0.0, kWidth); };
  std::string svg =
      "<svg class=\"whiskers\" width=\"130\" height=\"" + number(height) + "\" viewBox=\"0 0 130 " + number(height) + "\" role=\"img\">";
  if (reference)
    svg += "<line x1=\"" + number(at(*reference)) + "\" x2=\"" + number(at(*reference)) + "\" y1=\"0\" y2=\"" + number(height) +
           "\" stroke=\"var(--muted)\" stroke-width=\"1\"/>";
  for (size_t i = 0; i < whiskers.size(); ++i) {
    const Whisker& whisker = whiskers[i];
    if (!std::isfinite(whisker.value)) continue;
    const std::string y = number(1 + kLine * (static_cast<double>(i) + 0.5));
    svg += "<g style=\"color:" + escaped_for_html(whisker.color) + "\"><title>" + escaped_for_html(whisker.title) + "</title>";
    if (std::isfinite(whisker.low) && std::isfinite(whisker.high) && whisker.high > whisker.low)
      svg += "<line x1=\"" + number(at(whisker.low)) + "\" x2=\"" + number(at(whisker.high)) + "\" y1=\"" + y + "\" y2=\"" + y +
             "\" stroke=\"currentColor\" stroke-width=\"2\" stroke-linecap=\"round\" opacity=\"0.55\"/>";
    for (const double dot : whisker.dots)
      if (std::isfinite(dot))
        svg += "<circle cx=\"" + number(at(dot)) + "\" cy=\"" + y + "\" r=\"2.4\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1\"/>";
    svg += "<circle cx=\"" + number(at(whisker.value)) + "\" cy=\"" + y + "\" r=\"3.2\" fill=\"currentColor\"/></g>";
  }
  return svg + "</svg>";
}

std::string png_uri(std::string_view bytes) {
  static const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result = "data:image/png;base64,";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&bytes](size_t at) { return at < bytes.size() ? static_cast<unsigned>(static_cast<unsigned char>(bytes[at])) : 0u; };
    const unsigned word = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    result += digits[word >> 18];
    result += digits[word >> 12 & 63];
    result += i + 1 < bytes.size() ? digits[word >> 6 & 63] : '=';
    result += i + 2 < bytes.size() ? digits[word & 63] : '=';
  }
  return result;
}

std::string inline_svg(const std::string& file, const std::string& name, const std::string& description) {
  const size_t head = file.find("<svg"), inside = head == std::string::npos ? head : file.find('>', head);
  const size_t view = file.find("viewBox=\"", head), view_end = view == std::string::npos ? view : file.find('"', view + 9);
  if (inside == std::string::npos || view_end == std::string::npos || view_end > inside) return "";
  std::string body = file.substr(inside + 1);
  // The first title and description are gnuplot's; the ground is the page's.
  for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>{"<title>", "</title>"}, {"<desc>", "</desc>"}, {"<rect ", "/>"}}) {
    const size_t begin = body.find(open), end = begin == std::string::npos ? begin : body.find(close, begin);
    if (end != std::string::npos) body.erase(begin, end + close.size() - begin);
  }
  for (const char quote : {'"', '\''}) {
    const std::string q(1, quote);
    replace_all(body, "id=" + q, "id=" + q + name + "-");
    replace_all(body, "href=" + q + "#", "href=" + q + "#" + name + "-");
    replace_all(body, "color=" + q + "black" + q, "color=" + q + "var(--ink)" + q);
  }
  replace_all(body, "url(#", "url(#" + name + "-");
  replace_all(body, "font-family=\"Sans\"", "font-family=\"inherit\"");
  for (size_t at = body.find("rgb("); at != std::string::npos; at = body.find("rgb(", at + 4)) {
    int red = 0, green = 0, blue = 0;
    const size_t end = body.find(')', at);
    if (end == std::string::npos || end - at > 24) continue;
    if (std::sscanf(body.c_str() + at, "rgb( %d , %d , %d", &red, &green, &blue) == 3) body.replace(at, end + 1 - at, style_color(red, green, blue));
  }
  return "<svg class=\"plot\" " + file.substr(view, view_end + 1 - view) +
         " xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" role=\"img\"><title>" + escaped_for_html(description) +
         "</title>" + body;
}

}  // namespace liere::report
