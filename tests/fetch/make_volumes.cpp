// RSNA 2019 in small, for scripts that prepare it: make_volumes FOLDER [PATIENTS] writes stage_2_train/ and stage_2_train.csv, six slices a patient.
#include <cstdio>
#include <cstdlib>

#include "core/check.h"
#include "data/made_series.h"

int main(int argc, char** argv) {
  using namespace liere::test;
  return liere::run_command([&] {
    if (argc < 2) throw liere::ConfigError("make_volumes: expected a folder and, if need be, a number of patients.");
    const int patients = argc > 2 ? std::atoi(argv[2]) : 20;
    auto files = made_set(patients, "stage_2_train/");
    files["stage_2_train.csv"] = made_rsna_table(patients);
    write_set(argv[1], files);
    return 0;
  });
}
