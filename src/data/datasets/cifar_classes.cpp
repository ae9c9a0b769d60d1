#include "data/datasets/cifar.h"

namespace liere {

const std::vector<std::string>& cifar100_class_names() {
  static const std::vector<std::string> names = {
      "apple",    "aquarium_fish", "baby",      "bear",         "beaver",    "bed",     "bee",        "beetle",     "bicycle",      "bottle",
      "bowl",     "boy",           "bridge",    "bus",          "butterfly", "camel",   "can",        "castle",     "caterpillar",  "cattle",
      "chair",    "chimpanzee",    "clock",     "cloud",        "cockroach", "couch",   "crab",       "crocodile",  "cup",          "dinosaur",
      "dolphin",  "elephant",      "flatfish",  "forest",       "fox",       "girl",    "hamster",    "house",      "kangaroo",     "keyboard",
      "lamp",     "lawn_mower",    "leopard",   "lion",         "lizard",    "lobster", "man",        "maple",      "motorcycle",   "mountain",
      "mouse",    "mushroom",      "oak",       "orange",       "orchid",    "otter",   "palm",       "pear",       "pickup_truck", "pine",
      "plain",    "plate",         "poppy",     "porcupine",    "possum",    "rabbit",  "raccoon",    "ray",        "road",         "rocket",
      "rose",     "sea",           "seal",      "shark",        "shrew",     "skunk",   "skyscraper", "snail",      "snake",        "spider",
      "squirrel", "streetcar",     "sunflower", "sweet_pepper", "table",     "tank",    "telephone",  "television", "tiger",        "tractor",
      "train",    "trout",         "tulip",     "turtle",       "wardrobe",  "whale",   "willow",     "wolf",       "woman",        "worm"};
  return names;
}

const std::vector<std::string>& cifar10_class_names() {
  static const std::vector<std::string> names = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  return names;
}

}  // namespace liere
