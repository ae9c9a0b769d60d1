#include "data/data_keys.h"

#include "core/check.h"

namespace liere {
namespace {

template <class T>
void read_key(const ConfigNode* node, const std::string& path, T& value, const FieldRule& rule = {}) {
  if (node) decode_value(*node, path, rule, value);
}

}  // namespace

DataKeys read_data_keys(const ConfigNode& root) {
  if (!root.find("data")) throw ConfigError("The configuration has no key data, expected the data set there, such as data: {kind: cifar100}.");
  DataKeys keys;
  read_key(root.find("data"), "data", keys.data);
  read_key(root.find("augment"), "augment", keys.augment);
  read_key(root.find("seed"), "seed", keys.seed);
  if (const ConfigNode* model = root.find("model")) read_key(model->find("input_size"), "model.input_size", keys.input_size, at_least(1));
  if (keys.input_size.empty() || keys.input_size.size() > 3)
    throw ConfigError("model.input_size has " + std::to_string(keys.input_size.size()) +
                      " axes, expected [tokens] of sequences, [rows, columns] of pictures or [frames, rows, columns] of clips and volumes.");
  return keys;
}

}  // namespace liere
