#include "data/transforms/ct_window.h"

#include <charconv>
#include <cmath>
#include <string_view>

#include "core/check.h"

namespace liere {
namespace {

constexpr double kLargest = 10000;

/// The whole text as a number.
bool read(std::string_view text, double& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

}  // namespace

std::vector<CtWindow> parse_ct_windows(const std::vector<std::string>& texts, const std::string& key) {
  if (texts.empty())
    throw ConfigError(key +
                      ": expected at least one window, each an input channel, found an empty list. Leave it out for [40/80, 80/200, 600/2800].");
  std::vector<CtWindow> windows;
  for (const auto& text : texts) {
    const size_t slash = text.find('/');
    CtWindow window;
    if (slash == std::string::npos || !read(std::string_view(text).substr(0, slash), window.level) ||
        !read(std::string_view(text).substr(slash + 1), window.width) || !(window.width > 0) || window.width > kLargest ||
        std::abs(window.level) > kLargest)
      throw ConfigError(key + ": expected windows LEVEL/WIDTH in Hounsfield units, widths above 0 and neither beyond 10000, such as 40/80, found \"" +
                        text + "\".");
    windows.push_back(window);
  }
  return windows;
}

}  // namespace liere
