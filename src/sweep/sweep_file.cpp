#include "sweep/sweep_file.h"

#include <algorithm>
#include <set>

#include "core/check.h"
#include "core/reproduces.h"

namespace liere::sweep {

namespace fs = std::filesystem;
using Type = ConfigNode::Type;

namespace {

/// The file as it is written; axes and reproduces have forms of their own.
struct Fields {
  std::string config, output;
  std::vector<std::string> overrides, evaluate;
  ConfigNode axes, tune, reproduces;
};
template <class V>
void fields(V& v, Fields& c) {
  v("config", c.config, "configuration of every point");
  v("output", c.output, "folder of the run folders");
  v("overrides", c.overrides, "configuration keys of every point");
  v("evaluate", c.evaluate, "tests of liere-eval");
  v("axes", c.axes, "axis: {key, values}");
  v("tune", c.tune, "what is chosen on held-out data");
  v("reproduces", c.reproduces, "expected results");
}
struct KeyedAxis {
  std::string key;
  ConfigNode values;
};
template <class V>
void fields(V& v, KeyedAxis& c) {
  v("key", c.key, "configuration key");
  v("values", c.values, "its values");
}
struct NamedValue {
  std::string config;
  std::vector<std::string> overrides;
};
template <class V>
void fields(V& v, NamedValue& c) {
  v("config", c.config, "configuration");
  v("overrides", c.overrides, "configuration keys");
}
struct TuneFields {
  std::string key, per, choose = "holdout";
  ConfigNode values;
  std::vector<std::string> overrides;
};
template <class V>
void fields(V& v, TuneFields& c) {
  v("key", c.key, "configuration key that is chosen");
  v("values", c.values, "what it is chosen of");
  v("per", c.per, "axis whose values each choose for themselves");
  v("overrides", c.overrides, "configuration keys of the runs that choose");
  v("choose", c.choose, "holdout: by the accuracy on held-out training data");
}

[[noreturn]] void fail(const ConfigNode& node, const std::string& message) { throw ConfigError(node.origin.text() + ": " + message); }

/// A scalar as it is written, a list in flow form.
std::string text_of(const ConfigNode& node) {
  if (node.type == Type::kScalar) return node.scalar;
  if (node.type == Type::kSequence) return flow_text(node);
  fail(node, "expected a value or a list of values.");
}

/// Letters, digits, '.' and '_' as they are, one '-' for all between them: "[32, 32]" -> "32-32"; a sign stays.
std::string label_of(const std::string& text) {
  std::string label;
  for (const char c : text) {
    const bool kept = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
    if (kept) label += c;
    else if (!label.empty() && label.back() != '-') label += '-';
  }
  if (!text.ends_with('-') && label.ends_with('-')) label.pop_back();
  return label;
}

bool is_part_of_name(const std::string& text) { return !text.empty() && text != "." && text != ".." && label_of(text) == text; }

Axis read_axis(const std::string& name, const ConfigNode& node) {
  KeyedAxis fields;
  Axis axis{name, {}};
  decode(node, fields);
  if (!is_part_of_name(name)) fail(node, "the axis '" + name + "' becomes a part of folder names: use letters, digits, '.', '_' and '-'.");
  if (fields.key.empty()) {
    if (fields.values.type != Type::kMap) fail(node, "axis '" + name + "' has no key: then its values are names, each {config: FILE, overrides: [..]}.");
    for (const auto& [label, value] : fields.values.entries) {
      NamedValue named;
      decode(value, named);
      if (!is_part_of_name(label)) fail(value, "'" + label + "' becomes a part of folder names: use letters, digits, '.', '_' and '-'.");
      axis.values.push_back({label, label, named.config, named.overrides});
    }
  } else {
    if (fields.values.type != Type::kSequence) fail(node, "axis '" + name + "' has a key: then its values are a list.");
    for (const auto& value : fields.values.items) {
      const auto text = text_of(value);
      axis.values.push_back({(name == "seed" ? name : name + '-') + label_of(text), text, "", {fields.key + '=' + text}});
    }
  }
  if (axis.values.empty()) fail(node, "axis '" + name + "' has no values.");
  return axis;
}

const Axis& axis_named(const SweepFile& file, const std::string& name, const ConfigNode& node) {
  std::vector<std::string_view> names;
  for (const auto& axis : file.axes) {
    if (axis.name == name) return axis;
    names.push_back(axis.name);
  }
  std::string list;
  for (const auto known : names) list += (list.empty() ? "" : ", ") + std::string(known);
  const auto nearest = nearest_name(name, names);
  fail(node, "there is no axis '" + name + "'" + (nearest.empty() ? "; the axes are " + list : ". Did you mean '" + nearest + "'?"));
}

/// The texts that `where` allows for an axis.
std::vector<std::string> texts_of(const ConfigNode& node) {
  if (node.type != Type::kSequence) return {text_of(node)};
  std::vector<std::string> texts;
  for (const auto& item : node.items) texts.push_back(text_of(item));
  return texts;
}

void check_where(const SweepFile& file, const ConfigNode& entry) {
  const auto* where = entry.find("where");
  if (!where) return;
  if (where->type != Type::kMap) fail(*where, "where: expected {axis: value}.");
  for (const auto& [name, values] : where->entries) {
    const auto& axis = axis_named(file, name, values);
    for (const auto& text : texts_of(values))
      if (std::none_of(axis.values.begin(), axis.values.end(), [&](const auto& value) { return value.text == text; }))
        fail(values, "axis '" + name + "' has no value '" + text + "'.");
  }
}

bool applies(const ConfigNode& entry, const std::map<std::string, std::string>& at) {
  const auto* where = entry.find("where");
  if (!where) return true;
  return std::all_of(where->entries.begin(), where->entries.end(), [&](const auto& condition) {
    const auto texts = texts_of(condition.second);
    return std::find(texts.begin(), texts.end(), at.at(condition.first)) != texts.end();
  });
}

ConfigNode without_where(ConfigNode entry) {
  std::erase_if(entry.entries, [](const auto& field) { return field.first == "where"; });
  return entry;
}

/// The point's entries as the override reproduces=[..]: a sweep that says what it reproduces says all of it, and its configurations' entries do not hold for
/// other points. "" where the sweep says nothing.
std::string expectation(const SweepFile& file, const std::map<std::string, std::string>& at) {
  if (file.reproduces.empty()) return "";
  ConfigNode list;
  list.type = Type::kSequence;
  for (const auto& entry : file.reproduces)
    if (applies(entry, at)) list.items.push_back(without_where(entry));
  return "reproduces=" + flow_text(list);
}

Point make_point(const SweepFile& file, const std::vector<const AxisValue*>& values) {
  Point point;
  point.config = file.config;
  point.overrides = file.overrides;
  std::string seed;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& value = *values[i];
    point.at[file.axes[i].name] = value.text;
    if (!value.config.empty()) point.config = value.config;
    point.overrides.insert(point.overrides.end(), value.overrides.begin(), value.overrides.end());
    auto& part = file.axes[i].name == "seed" ? seed : point.name;  // the seed stands last
    part += (part.empty() ? "" : "_") + value.label;
  }
  if (!seed.empty()) point.name += (point.name.empty() ? "" : "_") + seed;
  return point;
}

void place(const SweepFile& file, Point& point) {
  point.folder = (fs::path(file.output) / point.name).string();
  point.overrides.insert(point.overrides.end(), file.given.begin(), file.given.end());
  point.overrides.push_back("output=" + point.folder);
  if (const auto expected = expectation(file, point.at); point.tuning_of.empty() && !expected.empty()) point.overrides.push_back(expected);
}

/// `visit` with one value of each axis, the last running fastest.
template <class Visit>
void for_each_combination(const std::vector<Axis>& axes, const Visit& visit) {
  std::vector<size_t> index(axes.size(), 0);
  for (bool more = true; more;) {
    std::vector<const AxisValue*> values;
    for (size_t i = 0; i < axes.size(); ++i) values.push_back(&axes[i].values[index[i]]);
    visit(values);
    more = false;
    for (size_t i = axes.size(); i-- > 0;) {
      if (++index[i] < axes[i].values.size()) {
        more = true;
        break;
      }
      index[i] = 0;
    }
  }
}

}  // namespace

fs::path find_sweep(const std::string& name) {
  std::error_code ignored;
  if (fs::is_regular_file(name, ignored)) return name;
  if (!name.empty() && name.find('/') == std::string::npos) {
    try {
      return find_config("sweeps/" + name);
    } catch (const ConfigError&) {  // said below in this command's words
    }
  }
  throw ConfigError("there is no sweep '" + name + "'. Expected a file, or a name in configs/sweeps such as cifar100_block_size.yaml.");
}

SweepFile read_sweep(const fs::path& path) {
  const auto node = load_config(path, {});
  Fields given;
  decode(node, given);
  SweepFile file;
  file.name = path.stem().string();
  file.config = given.config;
  file.output = given.output.empty() ? "runs/" + file.name : given.output;
  file.overrides = given.overrides;
  file.evaluate = given.evaluate;
  if (given.axes.type != Type::kMap || given.axes.entries.empty()) fail(node, path.string() + " has no axes: expected axes: {seed: {key: seed, values: [0, 1]}} or more.");
  for (const auto& [name, axis] : given.axes.entries) file.axes.push_back(read_axis(name, axis));
  if (given.reproduces.type == Type::kSequence) file.reproduces = given.reproduces.items;
  else if (given.reproduces.type != Type::kNull) fail(given.reproduces, "reproduces: expected a list of entries.");
  for (const auto& entry : file.reproduces) {
    if (entry.type != Type::kMap) fail(entry, "reproduces: expected {where: .., table: ..}.");
    check_where(file, entry);
    read_paper_entry(without_where(entry));  // throws
  }
  if (given.tune.type != Type::kNull) {
    TuneFields tune;
    decode(given.tune, tune);
    axis_named(file, tune.per, given.tune);
    if (tune.key.empty() || tune.values.type != Type::kSequence || tune.values.items.empty()) fail(given.tune, "tune: expected {key: KEY, values: [..], per: AXIS}.");
    if (tune.choose != "holdout") fail(given.tune, "tune.choose is '" + tune.choose + "': expected holdout, the only part of the data that may choose.");
    file.tune = Tuning{tune.key, tune.per, {}, tune.overrides};
    for (const auto& value : tune.values.items) file.tune->values.push_back(text_of(value));
  }
  std::set<std::string> folders;
  for (const auto& points : {points_of(file), tuning_points(file)})
    for (const auto& point : points) {
      if (point.config.empty()) fail(node, "the point " + point.name + " has no configuration: give config at the top, or in the values of an axis.");
      if (!folders.insert(point.folder).second) fail(node, "two points would share the folder " + point.folder + ": give their values names of their own.");
    }
  return file;
}

std::vector<Point> points_of(const SweepFile& file) {
  std::vector<Point> points;
  for_each_combination(file.axes, [&](const auto& values) {
    auto point = make_point(file, values);
    place(file, point);
    points.push_back(point);
  });
  return points;
}

std::vector<Point> tuning_points(const SweepFile& file) {
  std::vector<Point> points;
  if (!file.tune) return points;
  for (size_t per = 0; per < file.axes.size(); ++per) {
    if (file.axes[per].name != file.tune->per) continue;
    for (const auto& of : file.axes[per].values)
      for (const auto& value : file.tune->values) {
        std::vector<const AxisValue*> values;
        for (size_t i = 0; i < file.axes.size(); ++i) values.push_back(i == per ? &of : &file.axes[i].values[0]);
        auto point = make_point(file, values);
        point.name = "tune_" + of.label + "_" + label_of(file.tune->key.substr(file.tune->key.rfind('.') + 1)) + "-" + label_of(value);
        point.tuning_of = of.text;
        point.tuned_value = value;
        point.overrides.insert(point.overrides.end(), file.tune->overrides.begin(), file.tune->overrides.end());
        point.overrides.push_back(file.tune->key + "=" + value);
        place(file, point);
        points.push_back(point);
      }
  }
  return points;
}

std::string flow_text(const ConfigNode& node) {
  std::string text;
  const auto quoted = [](const std::string& value) {
    std::string out = "\"";
    for (const char c : value) {
      if (c == ' ') out += "\\u0020";
      else if (c == '\t') out += "\\t";
      else if (c == '\n') out += "\\n";
      else if (c == '"' || c == '\\') out += std::string("\\") + c;
      else out += c;
    }
    return out + "\"";
  };
  switch (node.type) {
    case Type::kNull: return "null";
    case Type::kScalar: {
      const bool plain = !node.quoted && !node.scalar.empty() &&
                         std::all_of(node.scalar.begin(), node.scalar.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-' || c == '+' || c == '/'; });
      return plain ? node.scalar : quoted(node.scalar);
    }
    case Type::kSequence:
      for (const auto& item : node.items) text += (text.empty() ? "" : ",") + flow_text(item);
      return std::string("[").append(text).append("]");
    case Type::kMap:
      for (const auto& [key, value] : node.entries) text += (text.empty() ? "" : ",") + quoted(key) + ":" + flow_text(value);
      return std::string("{").append(text).append("}");
  }
  return text;
}

}  // namespace liere::sweep
