// A root configuration as the program has it, made of the real model and data structs, with one field of each further type.
#pragma once

#include "core/check.h"
#include "core/config.h"
#include "data/config.h"
#include "models/config.h"
#include "support/catch.h"

namespace liere::test {

/// A variant whose keys stand in the same map as common ones.
struct DataSection {
  DatasetConfig dataset;
  double fraction = 1.0;
  bool drop_last = false;
};
template <class V>
void fields(V& v, DataSection& c) {
  v.flatten(c.dataset);
  v("fraction", c.fraction, "part of the training set that is used", FieldRule{.low = 0, .high = 1, .low_open = true});
  v("drop_last", c.drop_last, "leave an incomplete last batch out");
}

struct EmaSection {
  double decay = 0.999;
  PositionConfig position = RopeConfig{};
};
template <class V>
void fields(V& v, EmaSection& c) {
  v("decay", c.decay, "decay of the average", between(0, 1));
  v("position", c.position, "a variant within an optional section");
}

struct TestItem {
  std::string name = "accuracy";
  int64_t views = 1;
};
template <class V>
void fields(V& v, TestItem& c) {
  v("name", c.name, "what is tested");
  v("views", c.views, "views per sample", at_least(1));
}

struct LogSection {
  int64_t every = 10;
  std::optional<bool> color;
};
template <class V>
void fields(V& v, LogSection& c) {
  v("every", c.every, "steps between lines", at_least(1));
  v("color", c.color, "colours on a terminal");
}

struct RootConfig {
  uint64_t seed = 0;
  std::string output = "runs";
  VitConfig model;
  DataSection data;
  AugmentConfig augment;
  std::optional<EmaSection> ema;
  std::vector<TestItem> tests;
  std::vector<double> rates = {0.1, 0.01};
  std::vector<std::string> names;
  LogSection log;
  ConfigNode reproduces;
};
template <class V>
void fields(V& v, RootConfig& c) {
  v("seed", c.seed, "seed of all randomness");
  v("output", c.output, "run folder", not_identity());
  v("model", c.model, "the vision transformer");
  v("data", c.data, "the data set");
  v("augment", c.augment, "training augmentation");
  v("ema", c.ema, "average of the weights");
  v("tests", c.tests, "tests after training");
  v("rates", c.rates, "learning rates", positive());
  v("names", c.names, "any names");
  v("log", c.log, "what is logged", not_identity());
  v("reproduces", c.reproduces, "the result this configuration should give", not_identity());
}

inline RootConfig decoded(const std::string& yaml) {
  RootConfig config;
  decode(parse_config(yaml, "t.yaml"), config);
  return config;
}

/// The message of the ConfigError that `body` throws; fails the test where it throws none.
template <class Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const ConfigError& error) {
    return error.what();
  }
  FAIL("no ConfigError was thrown");
  return "";
}

}  // namespace liere::test
