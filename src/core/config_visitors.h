// What the lists of fields (fields.h) are good for: config_decode.h reads a ConfigNode into a struct, config_describe.h turns a struct into a tree of
// Fields, from which everything that is printed is made: YAML, origins, Markdown, identity. Included by config.h; include that.
#pragma once

#include <concepts>
#include <type_traits>

#include "core/config.h"

namespace liere {

template <class T>
inline constexpr bool kIsVariant = false;
template <class... Ts>
inline constexpr bool kIsVariant<std::variant<Ts...>> = true;
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <class T>
inline constexpr bool kIsList = false;
template <class T>
inline constexpr bool kIsList<std::vector<T>> = true;
template <class T>
concept ScalarField =
    std::same_as<T, bool> || std::same_as<T, int64_t> || std::same_as<T, uint64_t> || std::same_as<T, IntegerOrAuto> || std::same_as<T, double> ||
    std::same_as<T, std::string>;
template <class T>
concept SectionField = std::is_class_v<T> && !ScalarField<T> && !kIsOptional<T> && !kIsList<T> && !std::same_as<T, ConfigNode>;

template <class E>
std::vector<std::string_view> enum_names() {
  std::vector<std::string_view> names;
  for (const auto& [value, name] : EnumNames<E>::values) names.push_back(name);
  return names;
}

}  // namespace liere

#include "core/config_decode.h"
#include "core/config_describe.h"
