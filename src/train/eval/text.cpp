#include "train/eval/text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace liere {
namespace {

std::string printed(double value, const char* format, int decimals) {
  if (std::isnan(value)) return "-";
  char text[64];
  std::snprintf(text, sizeof text, format, decimals, value);
  return text;
}

size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string harmless(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

}  // namespace

double number_in(const nlohmann::json& object, const std::string& key) {
  const auto found = object.find(key);
  return found == object.end() || !found->is_number() ? std::nan("") : found->get<double>();
}

std::string fixed_text(double value, int decimals) { return printed(value, "%.*f", decimals); }
std::string small_text(double value) { return printed(value, "%.*e", 1); }

std::string interval_text(const nlohmann::json& object, const std::string& key, int decimals) {
  const auto found = object.find(key + "_interval");
  if (found == object.end() || !found->is_array()) return "-";
  return fixed_text(found->at(0).get<double>(), decimals) + " .. " + fixed_text(found->at(1).get<double>(), decimals);
}

std::string aligned_text(const std::vector<std::vector<std::string>>& rows, size_t left) {
  std::vector<size_t> widths;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - width_of(row[i]), ' '), cell = harmless(row[i]);
      line += i < left ? "  " + cell + space : "  " + space + cell;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace liere
