#include "train/eval/rows.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "core/check.h"
#include "core/files.h"

namespace liere {
namespace {

std::string header() {
  std::string text = "sample,view,label,loss,brier";
  for (size_t k = 1; k <= kTopClasses; ++k) text += ",class_" + std::to_string(k) + ",probability_" + std::to_string(k);
  return text;
}

/// The next field of a line without quotes, as a number.
template <class T>
bool read_number(std::string_view& line, T& value) {
  const auto end = std::min(line.find(','), line.size());
  const auto [at, error] = std::from_chars(line.data(), line.data() + end, value);
  const bool good = error == std::errc() && at == line.data() + end;
  line.remove_prefix(std::min(end + 1, line.size()));
  return good;
}

bool read_row(std::string_view line, Row& row) {
  if (std::count(line.begin(), line.end(), ',') != 4 + 2 * static_cast<int64_t>(kTopClasses)) return false;
  bool good = read_number(line, row.sample) && read_number(line, row.view) && read_number(line, row.label) && read_number(line, row.loss) &&
              read_number(line, row.brier);
  for (size_t k = 0; good && k < kTopClasses; ++k) good = read_number(line, row.top[k]) && read_number(line, row.probability[k]);
  return good;
}

}  // namespace

bool Row::correct5() const { return label >= 0 && std::find(top.begin(), top.end(), label) != top.end(); }

std::string csv_number(double value) {
  char text[40];
  const auto result = std::to_chars(text, text + sizeof text, value);
  return std::string(text, result.ptr);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string samples_csv(std::span<const Row> rows) {
  std::string text = header() + "\n";
  for (const Row& row : rows) {
    text += std::to_string(row.sample) + "," + std::to_string(row.view) + "," + std::to_string(row.label) + "," + csv_number(row.loss) + "," + csv_number(row.brier);
    for (size_t k = 0; k < kTopClasses; ++k) text += "," + std::to_string(row.top[k]) + "," + csv_number(row.probability[k]);
    text += "\n";
  }
  return text;
}

std::vector<Row> read_samples_csv(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  const std::string again = " Make it again with liere-eval --test accuracy --fresh.";
  std::vector<Row> rows;
  std::string_view rest = content;
  for (int64_t line_number = 1; !rest.empty(); ++line_number) {
    const auto end = rest.find('\n');
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line_number == 1) {
      if (line != header()) throw DataError(path.string() + ":1: expected the columns " + header() + "." + again);
      continue;
    }
    Row row;
    if (!read_row(line, row)) throw DataError(path.string() + ":" + std::to_string(line_number) + ": expected " + std::to_string(5 + 2 * kTopClasses) + " numbers, found '" + std::string(line.substr(0, 80)) + "'." + again);
    rows.push_back(row);
  }
  if (rows.empty()) throw DataError(path.string() + " holds no samples." + again);
  return rows;
}

}  // namespace liere
