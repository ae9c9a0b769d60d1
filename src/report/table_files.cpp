// A table for other programs: LaTeX and CSV.
#include "report/table.h"

namespace liere::report {
namespace {

std::string joined_header(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : " ") + line;
  return text;
}

/// Characters that LaTeX would take for commands; signs outside of ASCII that are no letters as their commands. Others stand as UTF-8, which LaTeX
/// reads since 2018.
std::string escaped_for_latex(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (text.compare(i, 2, "\u00b1") == 0) {
      result += "$\\pm$";
      ++i;
    } else if (text.compare(i, 3, "\u2212") == 0) {
      result += "$-$";
      i += 2;
    } else if (std::string_view("&%$#_{}").find(text[i]) != std::string_view::npos) {
      result += std::string("\\") + text[i];
    } else if (c == '\\') {
      result += "\\textbackslash{}";
    } else if (c == '~' || c == '^') {
      result += std::string("\\text") + (c == '~' ? "asciitilde{}" : "asciicircum{}");
    } else if (c == '<' || c == '>' || c == '|') {
      result += std::string("$") + text[i] + "$";
    } else {
      result += c < 0x20 || c == 0x7f ? ' ' : text[i];
    }
  }
  return result;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string latex(const Table& table) {
  if (table.rows.empty()) return "";
  std::string columns, head;
  for (size_t i = 0; i < table.header.size(); ++i) {
    columns += table.is_text(i) ? "l" : "r";
    head.append(i ? " & " : "").append(escaped_for_latex(joined_header(table.header[i])));
  }
  std::string result = "% needs \\usepackage{booktabs}\n\\begin{table}\n  \\centering\n  \\caption{" + escaped_for_latex(table.title) +
                       "}\n  \\begin{tabular}{" + columns + "}\n    \\toprule\n    " + head + " \\\\\n    \\midrule\n";
  for (const auto& row : table.rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line.append(i ? " & " : "").append(escaped_for_latex(row[i]));
    // A row that begins with a bracket would be read as the argument of the line end before it.
    result += "    " + std::string(line.starts_with("[") ? "{}" : "") + line + " \\\\\n";
  }
  result += "    \\bottomrule\n  \\end{tabular}\n";
  for (const std::string& note : table.notes) result += "  \\par\\footnotesize " + escaped_for_latex(note) + "\n";
  return result + "\\end{table}\n";
}

std::string csv(const Table& table) {
  if (table.rows.empty()) return "";
  std::string result;
  for (size_t i = 0; i < table.header.size(); ++i) result.append(i ? "," : "").append(csv_field(joined_header(table.header[i])));
  result += "\r\n";
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) result.append(i ? "," : "").append(csv_field(row[i]));
    result += "\r\n";
  }
  return result;
}

}  // namespace liere::report
