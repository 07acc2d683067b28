// The gradient of a two-layer network for some digits, summed over them, in float64 on a grid.
//
// Values are rounded to multiples of 2**-16 where pipeline/workloads/train_mlp_digits.py rounds them, so that products
// and sums are exact for up to 128 digits: the result is the same in any order, on any number of chips, and in NumPy.
//
// One block computes everything. The parameters are one vector: w1 [64, hidden], b1 [hidden], w2 [hidden, 10], b2 [10].
//
// Arguments: images uint8 [n, 64], labels uint8 [n], parameters float64, sums float64 of the same length.
// Codes: 1 a dtype, a rank or a stride is wrong, 2 the shapes do not fit, 3 more than one block, 4 the hidden layer
// exceeds the scratch memory.
#include <callring/chip.h>

#include <cmath>

CALLRING_SIGNATURE(mlp_gradients, CALLRING_IN, CALLRING_IN, CALLRING_IN, CALLRING_OUT);

namespace {

constexpr int64_t kPixels = 64;
constexpr int64_t kClasses = 10;
constexpr double kPixelScale = 1.0 / 16.0;
constexpr double kGrid = 65536.0;

bool fits(const callring_tensor& tensor, uint32_t dtype, uint32_t rank) {
    return tensor.dtype == dtype && tensor.rank == rank &&
           (tensor.shape[rank - 1] <= 1 || tensor.strides[rank - 1] == 1);
}

// Half to even, as NumPy rounds.
double on_grid(double value) {
    return std::nearbyint(value * kGrid) / kGrid;
}

// The error of one digit at each logit: softmax minus one for the label.
void error_of(const double* logits, uint8_t label, double* error) {
    double largest = logits[0];
    for (int64_t c = 1; c < kClasses; ++c) {
        largest = logits[c] > largest ? logits[c] : largest;
    }
    double odds[kClasses];
    double sum = 0.0;
    for (int64_t c = 0; c < kClasses; ++c) {
        odds[c] = on_grid(std::exp(logits[c] - largest));
        sum += odds[c];
    }
    for (int64_t c = 0; c < kClasses; ++c) {
        error[c] = on_grid(odds[c] / sum - (c == label ? 1.0 : 0.0));
    }
}

}  // namespace

CALLRING_EXPORT int mlp_gradients(const callring_block* block, const callring_args* args) {
    const callring_tensor& images = args->tensors[0];
    const callring_tensor& labels = args->tensors[1];
    const callring_tensor& parameters = args->tensors[2];
    const callring_tensor& sums = args->tensors[3];
    if (!fits(images, CALLRING_UINT8, 2) || !fits(labels, CALLRING_UINT8, 1) ||
        !fits(parameters, CALLRING_FLOAT64, 1) || !fits(sums, CALLRING_FLOAT64, 1)) {
        return 1;
    }
    const int64_t units = (parameters.shape[0] - kClasses) / (kPixels + 1 + kClasses);
    if (units < 1 || parameters.shape[0] != units * (kPixels + 1 + kClasses) + kClasses ||
        sums.shape[0] != parameters.shape[0] || images.shape[1] != kPixels || labels.shape[0] != images.shape[0]) {
        return 2;
    }
    if (block->count != 1) {
        return 3;
    }
    if (static_cast<uint64_t>(units) * sizeof(double) > block->scratch_bytes) {
        return 4;
    }

    const auto* w1 = static_cast<const double*>(parameters.data);
    const double* b1 = w1 + kPixels * units;
    const double* w2 = b1 + units;
    const double* b2 = w2 + units * kClasses;
    auto* g1 = static_cast<double*>(sums.data);
    double* gb1 = g1 + kPixels * units;
    double* g2 = gb1 + units;
    double* gb2 = g2 + units * kClasses;
    for (int64_t i = 0; i < sums.shape[0]; ++i) {
        g1[i] = 0.0;
    }
    auto* hidden = static_cast<double*>(block->scratch);
    for (int64_t digit = 0; digit < images.shape[0]; ++digit) {
        const uint8_t* pixels = static_cast<const uint8_t*>(images.data) + digit * images.strides[0];
        for (int64_t unit = 0; unit < units; ++unit) {
            hidden[unit] = b1[unit];
        }
        for (int64_t pixel = 0; pixel < kPixels; ++pixel) {
            const double input = pixels[pixel] * kPixelScale;
            for (int64_t unit = 0; unit < units; ++unit) {
                hidden[unit] += input * w1[pixel * units + unit];
            }
        }
        double logits[kClasses];
        for (int64_t c = 0; c < kClasses; ++c) {
            logits[c] = b2[c];
        }
        for (int64_t unit = 0; unit < units; ++unit) {
            hidden[unit] = hidden[unit] > 0.0 ? on_grid(hidden[unit]) : 0.0;
            for (int64_t c = 0; c < kClasses; ++c) {
                logits[c] += hidden[unit] * w2[unit * kClasses + c];
            }
        }
        double error[kClasses];
        error_of(logits, static_cast<const uint8_t*>(labels.data)[digit], error);
        for (int64_t c = 0; c < kClasses; ++c) {
            gb2[c] += error[c];
        }
        for (int64_t unit = 0; unit < units; ++unit) {
            double back = 0.0;
            for (int64_t c = 0; c < kClasses; ++c) {
                g2[unit * kClasses + c] += hidden[unit] * error[c];
                back += error[c] * w2[unit * kClasses + c];
            }
            back = hidden[unit] > 0.0 ? on_grid(back) : 0.0;
            gb1[unit] += back;
            hidden[unit] = back;  // needed no more as an activation
        }
        for (int64_t pixel = 0; pixel < kPixels; ++pixel) {
            const double input = pixels[pixel] * kPixelScale;
            for (int64_t unit = 0; unit < units; ++unit) {
                g1[pixel * units + unit] += input * hidden[unit];
            }
        }
    }
    return 0;
}
