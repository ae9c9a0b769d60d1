// What watches a training run: the trainer reports, observers never steer.
#pragma once

#include "train/observers/console.h"
#include "train/observers/metric_files.h"
#include "train/observers/reports.h"
