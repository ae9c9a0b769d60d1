// The configuration parser: any text gives a tree or a ConfigError, within its limits.
#include <cstdint>
#include <cstdlib>

#include "core/check.h"
#include "core/config.h"

namespace {

int depth_of(const liere::ConfigNode& node) {
  int deepest = 0;
  for (const auto& item : node.items) deepest = std::max(deepest, depth_of(item));
  for (const auto& [key, value] : node.entries) deepest = std::max(deepest, depth_of(value));
  return deepest + 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    if (depth_of(liere::parse_config(text, "fuzz")) > 40) std::abort();
  } catch (const liere::ConfigError&) {
  }
  try {
    liere::ConfigNode root = liere::parse_config("a: {b: 1}\nc: [1, 2]\n", "base");
    liere::apply_overrides(root, {"a.b=" + std::string(text)});
  } catch (const liere::ConfigError&) {
  }
  return 0;
}
