// Describing: a struct into a tree of Fields, through its list of fields. YAML, origins and Markdown are printed from the tree in config_print.cpp,
// identity lines in config_identity.cpp. Included by config.h; include that.
#pragma once

#include "core/config_visitors.h"

namespace liere {

/// The value as YAML text that reads back exactly (doubles: the shortest such text).
std::string scalar_text(bool value);
std::string scalar_text(int64_t value);
std::string scalar_text(uint64_t value);
std::string scalar_text(const IntegerOrAuto& value);
std::string scalar_text(double value);
std::string scalar_text(const std::string& value);

/// One field as data: what its struct says about it, and its value as YAML text.
struct Field {
  enum class Form {
    kLeaf,     // a scalar or a list of scalars
    kFree,     // any YAML
    kSection,  // children: the keys of a map
    kVariant,  // children: one section per kind, named by it; its keys stand in the map around it
    kList,     // children: the items, each a section; prototype: one with defaults
  };
  Form form = Form::kLeaf;
  std::string name, sentence, type;
  FieldRule rule;
  std::string value;      // kLeaf
  bool present = true;    // false: an optional section that is absent (its children are the defaults)
  bool optional = false;  // may be null
  ConfigNode node;        // kFree
  std::string kind;       // kVariant: the chosen one
  std::vector<Field> children, prototype;
};

template <class T>
Field describe_value(T& value);

class Describer {
 public:
  explicit Describer(std::vector<Field>& out) : out_(out) {}
  template <class T>
  void operator()(const char* name, T& value, const char* sentence, FieldRule rule = {}) {
    Field field = describe_value(value);
    field.name = name;
    field.sentence = sentence;
    field.rule = rule;
    out_.push_back(std::move(field));
  }
  template <class T>
  void flatten(T& part) {
    fields(*this, part);
  }
  template <class... Ts>
  void flatten(std::variant<Ts...>& value) {
    Field field;
    field.form = Field::Form::kVariant;
    (describe_alternative<Ts>(value, field), ...);
    out_.push_back(std::move(field));
  }

 private:
  template <class T, class Variant>
  static void describe_alternative(Variant& value, Field& field) {
    T other;
    T* const held = std::get_if<T>(&value);
    field.children.push_back(describe_value(held ? *held : other));
    field.children.back().name = T::kind;
    if (held) field.kind = T::kind;
  }
  std::vector<Field>& out_;
};

/// The name of a scalar's type in messages and documentation.
template <class T>
std::string type_name() {
  if constexpr (std::same_as<T, bool>)
    return "true or false";
  else if constexpr (std::same_as<T, int64_t>)
    return "integer";
  else if constexpr (std::same_as<T, uint64_t>)
    return "integer, 0 or more";
  else if constexpr (std::same_as<T, IntegerOrAuto>)
    return "integer or auto";
  else if constexpr (std::same_as<T, double>)
    return "number";
  else if constexpr (std::same_as<T, std::string>)
    return "text";
  else if constexpr (std::is_enum_v<T>) {
    std::string names;
    for (const auto name : enum_names<T>()) names += (names.empty() ? "" : ", ") + std::string(name);
    return names;
  } else if constexpr (kIsOptional<T>)
    return type_name<typename T::value_type>();
  else
    return "list: " + type_name<typename T::value_type>();
}

template <class T>
std::string leaf_text(const T& value) {
  if constexpr (ScalarField<T>)
    return scalar_text(value);
  else if constexpr (std::is_enum_v<T>)
    return scalar_text(std::string(name_of(value)));
  else if constexpr (kIsOptional<T>)
    return value ? leaf_text(*value) : "null";
  else {
    std::string items;
    for (const auto& item : value) items += (items.empty() ? "" : ", ") + leaf_text<typename T::value_type>(item);
    return "[" + items + "]";
  }
}

template <class T>
Field describe_value(T& value) {
  Field field;
  if constexpr (std::same_as<T, ConfigNode>) {
    field.form = Field::Form::kFree;
    field.node = value;
  } else if constexpr (SectionField<T>) {
    field.form = Field::Form::kSection;
    Describer(field.children).flatten(value);
  } else if constexpr (requires { requires kIsOptional<T> && SectionField<typename T::value_type>; }) {
    typename T::value_type defaults;
    field = describe_value(value ? *value : defaults);
    field.optional = true;
    field.present = value.has_value();
  } else if constexpr (requires { requires kIsList<T> && SectionField<typename T::value_type>; }) {
    field.form = Field::Form::kList;
    typename T::value_type defaults;
    field.prototype.push_back(describe_value(defaults));
    for (auto& item : value) field.children.push_back(describe_value(item));
  } else {
    field.type = type_name<T>();
    field.optional = kIsOptional<T>;
    field.value = leaf_text(value);
  }
  return field;
}

template <class T>
Field describe(const T& config) {
  T copy = config;  // fields() takes structs that can be written to
  return describe_value(copy);
}

/// "at least 1", "in [0, 1)", ...; empty where everything is allowed.
std::string range_text(const FieldRule& rule);

std::string dump_fields(const Field& root, const ConfigNode* origins);
std::string document_fields(const Field& root);
std::vector<std::string> identity_of_fields(const Field& root, const Field& defaults);

/// YAML of every field; parses and decodes back to an equal config.
template <class T>
std::string dump(const T& config) {
  return dump_fields(describe(config), nullptr);
}

/// As dump, each line with where its value comes from: "depth: 6  # configs/x.yaml:4:10". `node` is what `config` was decoded from.
template <class T>
std::string dump_with_origins(const T& config, const ConfigNode& node) {
  return dump_fields(describe(config), &node);
}

/// Markdown: a table per section, and one per kind of a variant.
template <class T>
std::string document(const T& defaults) {
  return document_fields(describe(defaults));
}

/// Sorted "path=value" of the identity fields that differ from T{} (within a kind: from that kind's defaults), so a key added later changes nothing.
template <class T>
std::vector<std::string> identity_lines(const T& config) {
  return identity_of_fields(describe(config), describe(T{}));
}

/// XXH3-128 of the lines, 32 hexadecimal digits.
std::string identity_hash(const std::vector<std::string>& lines);

/// "path: here X, there Y" for each path whose lines differ; "its default" where a side has no line. Empty: the same run.
std::vector<std::string> compare_identity(const std::vector<std::string>& here, const std::vector<std::string>& there);

}  // namespace liere
