// A window of computed tomography: the range of Hounsfield units, level -+ width / 2, that a picture spreads from black to white.
#pragma once

#include <string>
#include <vector>

namespace liere {

struct CtWindow {
  double level = 40, width = 80;  // HU
  bool operator==(const CtWindow&) const = default;
};

/// Of texts "LEVEL/WIDTH", such as 40/80. Throws ConfigError that names `key`: none, another text, a width that is not above 0, more than 10,000 HU.
std::vector<CtWindow> parse_ct_windows(const std::vector<std::string>& texts, const std::string& key);

}  // namespace liere
