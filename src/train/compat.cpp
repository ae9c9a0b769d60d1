#include "train/compat.h"

#include <string>
#include <vector>

namespace liere {
namespace {

const Origin kOrigin{"compat"};

ConfigNode map_node() {
  ConfigNode map;
  map.type = ConfigNode::Type::kMap;
  map.origin = map.key_origin = kOrigin;
  return map;
}

/// The scalar at a path such as {"data", "kind"}; nullptr where there is none.
const ConfigNode* scalar_at(const ConfigNode& root, std::initializer_list<const char*> path) {
  const ConfigNode* node = &root;
  for (const char* key : path)
    if (!(node = node->find(key))) return nullptr;
  return node->type == ConfigNode::Type::kScalar ? node : nullptr;
}

void put(ConfigNode& root, std::initializer_list<const char*> path, ConfigNode value) {
  ConfigNode* node = &root;
  for (const char* key : path) {
    if (!node->find(key)) node->entries.emplace_back(key, map_node());
    node = const_cast<ConfigNode*>(node->find(key));
  }
  *node = std::move(value);
}

void put(ConfigNode& root, std::initializer_list<const char*> path, const std::string& value) {
  ConfigNode node;
  node.type = ConfigNode::Type::kScalar;
  node.scalar = value;
  node.origin = node.key_origin = kOrigin;
  put(root, path, std::move(node));
}

}  // namespace

ConfigPreset compat_preset(const ConfigNode& root) {
  ConfigPreset preset{"compat", map_node()};
  const auto* compat = scalar_at(root, {"compat"});
  if (!compat || compat->scalar != name_of(Compat::kLiereRelease)) return preset;
  ConfigNode& values = preset.values;
  const auto is = [&](std::initializer_list<const char*> path, std::string_view value) {
    const auto* found = scalar_at(root, path);
    return found && found->scalar == value;
  };

  // In the release's loop over layers the rotations of layer 0 overwrite all others. The kind goes along, as it was given, so that giving it beside the preset
  // does not replace the map as a whole.
  if (const auto* kind = scalar_at(root, {"model", "position", "kind"}); kind && (kind->scalar == "liere" || kind->scalar == "rope_mixed")) {
    put(values, {"model", "position", "kind"}, *kind);
    put(values, {"model", "position", "share"}, "layers");
  }
  const bool is_imagenet = is({"data", "kind"}, "imagenet"), is_cifar = is({"data", "kind"}, "cifar100") || is({"data", "kind"}, "cifar10");
  if (is_cifar || is_imagenet) {
    put(values, {"augment", "normalization"}, "cifar");
    const auto* augment = scalar_at(root, {"augment", "rand_augment", "kind"});
    if (augment && augment->scalar != "none") put(values, {"augment", "rand_augment", "kind"}, "released");
  }
  if (is_imagenet) {
    put(values, {"augment", "order"}, "released");
    put(values, {"augment", "evaluation", "kind"}, "released");
  }
  if (is({"data", "kind"}, "ucf101")) {
    put(values, {"data", "kind"}, *scalar_at(root, {"data", "kind"}));
    put(values, {"data", "class_order"}, "sorted");
    put(values, {"augment", "normalization"}, "imagenet");
    put(values, {"augment", "clip", "sampling"}, "released");
  }
  return preset;
}

}  // namespace liere
