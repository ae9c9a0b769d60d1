// The substring matcher, which changed its name between Catch2 2 and 3.
#pragma once

#include "support/catch.h"

namespace liere::test {

#if __has_include(<catch2/catch_all.hpp>)
inline auto has(const std::string& text) { return Catch::Matchers::ContainsSubstring(text); }
#else
inline auto has(const std::string& text) { return Catch::Matchers::Contains(text); }
#endif

}  // namespace liere::test
