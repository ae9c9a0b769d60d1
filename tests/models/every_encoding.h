// Every position encoding in the settings that the conformance tests try, found by walking PositionConfig: a new kind is tested without a line here. The
// example that docs/adding.md tells of stands beside them.
#pragma once

#include <string>
#include <vector>

#include "example_encoding.h"
#include "models/config.h"

namespace liere::test {

template <class Variant, class... More>
struct Extended;
template <class... Kinds, class... More>
struct Extended<std::variant<Kinds...>, More...> {
  using type = std::variant<Kinds..., More...>;
};
using AnyEncoding = Extended<PositionConfig, ExampleConfig>::type;

/// For a head dimension of 16: as it is; by block size 4, 8 and 16 where it has blocks; shared in every way; with an added table.
template <class Config>
std::vector<AnyEncoding> settings_of() {
  std::vector<Config> all = {Config{}};
  if constexpr (requires(Config c) { c.block_size; }) {
    all.clear();
    for (const int64_t block : {4, 8, 16}) {
      all.push_back({});
      all.back().block_size = block;
    }
  }
  const Config plain = all.front();
  if constexpr (requires(Config c) { c.share; })
    for (const Share share : {Share::kLayers, Share::kHeads, Share::kBoth}) {
      all.push_back(plain);
      all.back().share = share;
    }
  if constexpr (requires(Config c) { c.absolute; }) {
    all.push_back(plain);
    all.back().absolute = true;
  }
  return {all.begin(), all.end()};
}

template <size_t... I>
std::vector<AnyEncoding> settings_of_all(std::index_sequence<I...>) {
  std::vector<AnyEncoding> all;
  (
      [&] {
        for (const auto& setting : settings_of<std::variant_alternative_t<I, AnyEncoding>>()) all.push_back(setting);
      }(),
      ...);
  return all;
}

inline std::vector<AnyEncoding> every_encoding() { return settings_of_all(std::make_index_sequence<std::variant_size_v<AnyEncoding>>()); }

/// "liere block_size 8 share layers absolute": for messages.
inline std::string describe(const AnyEncoding& encoding) {
  return std::visit(
      [](const auto& c) {
        std::string text(c.kind);
        if constexpr (requires { c.block_size; }) text += " block_size " + std::to_string(c.block_size);
        if constexpr (requires { c.share; }) text += " share " + std::string(name_of(c.share));
        if constexpr (requires { c.absolute; }) text += c.absolute ? " absolute" : "";
        return text;
      },
      encoding);
}

}  // namespace liere::test
