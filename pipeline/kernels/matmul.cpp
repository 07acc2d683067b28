// C = A B in float32 for matrices of any shape and stride, by tiles; the tile sizes are scalar arguments.
//
// The grid of C's tiles is divided over the blocks. For each tile, a block walks the inner dimension in steps of
// tile_k: it packs that piece of B into its scratch memory as panels of 8 columns, padded with zeros, and multiplies
// strips of 4 rows of A with each panel in registers. The sum over the inner dimension is taken in order, so that the
// result does not depend on the number of blocks, nor on the tile sizes.
//
// Arguments: A [m, k], B [k, n], C [m, n], tile_m, tile_n, tile_k.
// Codes: 1 an argument is not a float32 matrix, 2 the shapes do not fit, 3 a tile size is zero, 4 a packed piece of B
// (tile_k x tile_n, rounded up to whole panels) exceeds the scratch memory.
#include <callring/chip.h>

CALLRING_SIGNATURE(matmul, CALLRING_IN, CALLRING_IN, CALLRING_OUT, CALLRING_SCALAR, CALLRING_SCALAR, CALLRING_SCALAR);

namespace {

constexpr int64_t kRows = 4;
constexpr int64_t kColumns = 8;

struct Matrix {
    float* data;
    int64_t row_stride;
    int64_t column_stride;

    [[nodiscard]] float* at(int64_t row, int64_t column) const {
        return data + row * row_stride + column * column_stride;
    }
};

Matrix matrix(const callring_tensor& tensor) {
    return {static_cast<float*>(tensor.data), tensor.strides[0], tensor.strides[1]};
}

int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t ceil_divide(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

// Packs B[k0 .. k0+depth, j0 .. j0+width] as consecutive panels [depth][kColumns].
void pack(const Matrix& b, int64_t k0, int64_t depth, int64_t j0, int64_t width, float* packed) {
    for (int64_t j = 0; j < width; j += kColumns) {
        const int64_t live = smaller(kColumns, width - j);
        for (int64_t k = 0; k < depth; ++k, packed += kColumns) {
            for (int64_t lane = 0; lane < kColumns; ++lane) {
                packed[lane] = lane < live ? *b.at(k0 + k, j0 + j + lane) : 0.0F;
            }
        }
    }
}

// Multiplies `rows` (at most kRows) rows of A with one panel and stores into C, or adds if this is not the first
// piece of the inner dimension.
void multiply_strip(const Matrix& a, const float* panel, const Matrix& c, int64_t i, int64_t rows, int64_t k0,
                    int64_t depth, int64_t j, int64_t columns) {
    float sum[kRows][kColumns] = {};
    if (k0 > 0) {
        for (int64_t row = 0; row < rows; ++row) {
            for (int64_t lane = 0; lane < columns; ++lane) {
                sum[row][lane] = *c.at(i + row, j + lane);
            }
        }
    }
    // Rows beyond the matrix repeat its last one, so that the loop below has a constant shape.
    const float* source[kRows];
    for (int64_t row = 0; row < kRows; ++row) {
        source[row] = a.at(i + smaller(row, rows - 1), k0);
    }
    for (int64_t k = 0; k < depth; ++k, panel += kColumns) {
        for (int64_t row = 0; row < kRows; ++row) {
            const float factor = source[row][k * a.column_stride];
            for (int64_t lane = 0; lane < kColumns; ++lane) {
                sum[row][lane] += factor * panel[lane];
            }
        }
    }
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t lane = 0; lane < columns; ++lane) {
            *c.at(i + row, j + lane) = sum[row][lane];
        }
    }
}

}  // namespace

CALLRING_EXPORT int matmul(const callring_block* block, const callring_args* args) {
    for (uint32_t i = 0; i < 3; ++i) {
        if (args->tensors[i].dtype != CALLRING_FLOAT32 || args->tensors[i].rank != 2) {
            return 1;
        }
    }
    const int64_t m = args->tensors[2].shape[0];
    const int64_t n = args->tensors[2].shape[1];
    const int64_t inner = args->tensors[0].shape[1];
    if (args->tensors[0].shape[0] != m || args->tensors[1].shape[0] != inner || args->tensors[1].shape[1] != n) {
        return 2;
    }
    const auto tile_m = static_cast<int64_t>(args->scalars[0]);
    const auto tile_n = static_cast<int64_t>(args->scalars[1]);
    const auto tile_k = static_cast<int64_t>(args->scalars[2]);
    if (tile_m <= 0 || tile_n <= 0 || tile_k <= 0) {
        return 3;
    }
    const int64_t depth_limit = smaller(tile_k, inner);
    const int64_t panels = ceil_divide(smaller(tile_n, n), kColumns);
    if (static_cast<uint64_t>(depth_limit * panels * kColumns) * sizeof(float) > block->scratch_bytes) {
        return 4;
    }

    const Matrix a = matrix(args->tensors[0]);
    const Matrix b = matrix(args->tensors[1]);
    const Matrix c = matrix(args->tensors[2]);
    float* packed = static_cast<float*>(block->scratch);
    const int64_t tile_columns = ceil_divide(n, tile_n);
    int64_t tile = 0;
    int64_t end = 0;
    callring_block_range(block, ceil_divide(m, tile_m) * tile_columns, &tile, &end);
    for (; tile < end; ++tile) {
        const int64_t i0 = tile / tile_columns * tile_m;
        const int64_t j0 = tile % tile_columns * tile_n;
        const int64_t height = smaller(tile_m, m - i0);
        const int64_t width = smaller(tile_n, n - j0);
        int64_t k0 = 0;
        do {  // at least once: without an inner dimension, C is zero
            const int64_t depth = smaller(tile_k, inner - k0);
            pack(b, k0, depth, j0, width, packed);
            for (int64_t j = 0; j < width; j += kColumns) {
                for (int64_t i = 0; i < height; i += kRows) {
                    multiply_strip(a, packed + j * depth, c, i0 + i, smaller(kRows, height - i), k0, depth, j0 + j,
                                   smaller(kColumns, width - j));
                }
            }
            k0 += tile_k;
        } while (k0 < inner);
    }
    return 0;
}
