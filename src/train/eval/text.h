// Tables of liere-eval for the terminal: aligned columns, units in the head.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace liere {

/// The number under `key`; NaN where it is null (JSON has no NaN) or missing.
double number_in(const nlohmann::json& object, const std::string& key);

/// "70.32"; "-" for NaN.
std::string fixed_text(double value, int decimals);
/// "3.1e-07"; "-" for NaN.
std::string small_text(double value);
/// "69.40 .. 71.21" from KEY_interval; "-" where it is null.
std::string interval_text(const nlohmann::json& object, const std::string& key, int decimals);

/// Rows of equal length, the first is the head; the first `left` columns are left-aligned, the others right-aligned. Control characters are shown as '?'.
std::string aligned_text(const std::vector<std::vector<std::string>>& rows, size_t left = 1);

}  // namespace liere
