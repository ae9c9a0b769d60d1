// Large numbers for people, in powers of 1000.
#pragma once

#include <cstdio>
#include <string>

namespace liere {

/// Four digits and the prefix, a unit to follow: "5.684 G", "342.2 P".
inline std::string with_si_prefix(double value) {
  const char* const prefixes = " kMGTPEZ";
  int i = 0;
  for (; value >= 1000 && prefixes[i + 1]; ++i) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.4g %c", value, prefixes[i]);
  return text;
}

}  // namespace liere
