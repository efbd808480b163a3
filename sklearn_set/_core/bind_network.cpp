// Samples and networks, for Python.
//
// Owns: the views that a network has of Python's arrays, what keeps these alive, the checks of
// both, and signals that arrive while the core works. May not touch: numbers.
#include <nanobind/stl/vector.h>

#include <chrono>
#include <functional>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "network.h"

namespace sklearn_set {

using namespace nb::literals;

namespace {

// `value` as an array of exactly this type, never a converted copy.
template <class A> A as_array(nb::handle value, const std::string &name) {
    A array;
    if (!nb::try_cast<A>(value, array, /*convert=*/false))
        throw nb::type_error(
            (name + " is not an array of the right type, rank and layout, or is read-only or "
                    "misaligned.").c_str());
    return array;
}

// The attribute `name` as a number of this type.
template <class T> T number(nb::handle object, const char *name) {
    T value;
    if (!nb::try_cast<T>(nb::getattr(object, name), value))
        throw nb::type_error((std::string(name) + " is not a number of the right type.").c_str());
    return value;
}

// Samples with their targets, kept alive while a network reads them.
template <class T> struct Data {
    Samples<T> samples;
    Targets<T> targets;
    int64_t n_values = 0;  // columns of targets.values
    int64_t n_labels = 0;  // one more than the largest label
    std::vector<nb::object> owners;

    Data(std::optional<In2<T>> x, std::optional<In1<T>> data, std::optional<In1<int32_t>> indices,
         std::optional<In1<int64_t>> indptr, int64_t n_features) {
        if (n_features < 0 || n_features > INT32_MAX) fail("n_features is not in [0, 2**31 - 1].");
        samples.n_features = int32_t(n_features);
        if (x) {
            require_size("a row of x", x->shape(1), n_features);
            samples.n_rows = x->shape(0);
            samples.x = x->data();
            owners.push_back(nb::cast(*x));
            return;
        }
        if (!data || !indices || !indptr || indptr->shape(0) < 1)
            fail("Give x, or data, indices and indptr.");
        samples.n_rows = int64_t(indptr->shape(0)) - 1;
        require_size("data", data->shape(0), indices->shape(0));
        check_index("samples", indptr->data(), samples.n_rows, indices->data(),
                    indices->shape(0), n_features);
        samples.data = data->data();
        samples.indices = indices->data();
        samples.indptr = indptr->data();
        owners = {nb::cast(*data), nb::cast(*indices), nb::cast(*indptr)};
    }

    void set_targets(int32_t loss, std::optional<In1<int32_t>> labels,
                     std::optional<In2<T>> values, std::optional<In1<T>> weights,
                     double huber_delta) {
        check_code("loss", loss, LOSSES);
        if (bool(labels) == bool(values)) fail("Give labels or values.");
        if (labels) {
            require_size("labels", labels->shape(0), samples.n_rows);
            for (int64_t i = 0; i < samples.n_rows; ++i) {
                if (labels->data()[i] < 0) fail("labels must be >= 0.");
                n_labels = std::max(n_labels, int64_t{labels->data()[i]} + 1);
            }
            targets.labels = labels->data();
            owners.push_back(nb::cast(*labels));
        } else {
            require_size("values", values->shape(0), samples.n_rows);
            n_values = values->shape(1);
            targets.values = values->data();
            owners.push_back(nb::cast(*values));
        }
        if (weights) {
            require_size("weights", weights->shape(0), samples.n_rows);
            targets.weights = weights->data();
            owners.push_back(nb::cast(*weights));
        }
        targets.loss = loss;
        targets.huber_delta = T(huber_delta);
    }

    void check_against(const Network<T> &network, bool with_targets) const {
        if (network.layers().empty()) fail("The network is not bound to layers.");
        const auto &first = network.layers().front().connections;
        const int64_t n_outputs = network.layers().back().connections.n_out;
        if (samples.n_features != first.n_in)
            fail("The samples have " + std::to_string(samples.n_features) +
                 " features, the network takes " + std::to_string(first.n_in) + ".");
        if (!with_targets) return;
        if (targets.labels && n_labels > std::max<int64_t>(2, n_outputs))
            fail("a label lies outside of the network's outputs.");
        if (!targets.labels && !targets.values) fail("The data have no targets.");
        if (targets.values)
            require_size("a row of values", n_values, targets.values_per_row(int32_t(n_outputs)));
    }
};

template <class T>
LayerView<T> layer_view(nb::handle object, bool by_source, bool trainable,
                        std::vector<nb::object> &owners) {
    LayerView<T> layer{};
    auto field = [&](const char *name) {
        nb::object value = nb::getattr(object, name);
        owners.push_back(value);
        return value;
    };
    auto index = [&](const char *name) {
        return as_array<In1<int32_t>>(field(name), name);
    };
    const In1<int32_t> indptr = index("indptr"), indices = index("indices");
    const int64_t n_in = number<int64_t>(object, "n_in");
    layer.connections = connectivity(indptr, indices, n_in);
    const int64_t nnz = layer.connections.nnz(), n_out = layer.connections.n_out;

    if (by_source) {
        const In1<int32_t> by_indptr = index("by_source_indptr"),
                           by_positions = index("by_source_positions"),
                           by_indices = index("by_source_indices");
        require_size("by_source_indptr", by_indptr.shape(0), n_in + 1);
        require_size("by_source_indices", by_indices.shape(0), nnz);
        check_index("by_source", by_indptr.data(), n_in, by_positions.data(),
                    by_positions.shape(0), nnz);
        check_index("by_source", by_indptr.data(), n_in, by_indices.data(), nnz, n_out);
        layer.by_source_indptr = by_indptr.data();
        layer.by_source_positions = by_positions.data();
        layer.by_source_indices = by_indices.data();
    }

    auto parameter = [&](const char *name, int64_t size) -> T * {
        nb::object value = field(name);
        if (value.is_none()) return nullptr;
        if (!trainable) {  // only read: a memory map of a stored model will do
            const In1<T> array = as_array<In1<T>>(value, name);
            require_size(name, array.shape(0), size);
            return const_cast<T *>(array.data());
        }
        Out1<T> array = as_array<Out1<T>>(value, name);
        require_size(name, array.shape(0), size);
        return array.data();
    };
    Parameters<T> &p = layer.parameters;
    p.weights = parameter("weights", nnz);
    p.first = parameter("first", nnz);
    p.second = parameter("second", nnz);
    p.bias = parameter("bias", n_out);
    p.bias_first = parameter("bias_first", n_out);
    p.bias_second = parameter("bias_second", n_out);
    p.sensitivity = parameter("sensitivity", nnz);
    if (!p.weights || !p.bias) fail("A layer needs weights and bias.");
    layer.activation = number<int32_t>(object, "activation");
    layer.slope = number<T>(object, "slope");
    layer.dropout = number<double>(object, "dropout");
    check_code("activation", layer.activation, ACTIVATIONS);
    if (!(layer.dropout >= 0 && layer.dropout < 1)) fail("dropout must lie in [0, 1).");
    return layer;
}

// Looks now and then, from a thread without the GIL, whether Python has received a
// signal such as that of KeyboardInterrupt. True once a signal's handler has raised an
// exception, which is then set.
struct Signals {
    bool raised = false;

    bool operator()() {
        const auto now = std::chrono::steady_clock::now();
        if (!raised && now - checked_ > std::chrono::milliseconds(20)) {
            checked_ = now;
            nb::gil_scoped_acquire acquire;
            raised = PyErr_CheckSignals() != 0;
        }
        return raised;
    }

private:
    std::chrono::steady_clock::time_point checked_ = std::chrono::steady_clock::now();
};

template <class T> class BoundNetwork {
public:
    // Layers are indexed by source neuron too where that is needed: the first one for
    // sparse samples, the others for training.
    BoundNetwork(nb::list layers, bool sparse, bool trainable)
        : trainable_(trainable), network_(views(layers, sparse, trainable, owners_)) {}

    // After a change of the network: releases the old arrays, then binds new layers to
    // the same work buffers.
    void unbind() {
        network_.rebind({});
        owners_.clear();
    }
    void bind(nb::list layers, bool sparse, bool trainable) {
        unbind();
        trainable_ = trainable;
        network_.rebind(views(layers, sparse, trainable, owners_));
    }

    // Batches order[starts[i] : starts[i + 1]], or mixtures of these rows with
    // partners (see Rows). Returns the weighted sum of the losses, the sum of the
    // weights, the number of batches done, and the exception that a signal
    // (KeyboardInterrupt) raised between two batches, or None; stops there, and
    // after a batch whose loss is not finite.
    nb::tuple train(Data<T> &data, In1<int64_t> order, In1<int64_t> starts,
                    std::optional<In2<int64_t>> partners, std::optional<In2<T>> shares, int rule,
                    double rate, double momentum, double beta_1, double beta_2, double epsilon,
                    double l2, double shrink, bool shrink_bias, int64_t first_step,
                    uint64_t dropout_seed, int n_threads) {
        check_trainable(data);
        check_starts(order.shape(0), starts);
        const Rows<T> rows = checked_rows(data.samples.n_rows, order, partners, shares);
        check_code("optimizer", rule, OPTIMIZERS);
        if (first_step < 1 || first_step > INT64_MAX / 2) fail("first_step counts from 1.");
        for (const auto &layer : network_.layers()) {
            const Parameters<T> &p = layer.parameters;
            const bool needs_first = rule == ADAM || momentum != 0;
            if ((needs_first && (!p.first || !p.bias_first)) ||
                (rule == ADAM && (!p.second || !p.bias_second)))
                fail("The optimizer's state is missing from a layer.");
        }
        const Optimizer optimizer{rule,    rate, momentum, beta_1,     beta_2,
                                  epsilon, l2,   shrink,   shrink_bias};
        double loss = 0, weight = 0;
        const int64_t n_batches = std::max<int64_t>(0, int64_t(starts.shape(0)) - 1);
        int64_t done = 0;
        Signals signals;
        {
            nb::gil_scoped_release release;
            const Batches<T> batches{n_batches, starts.data(), rows, dropout_seed};
            done = network_.train(data.samples, data.targets, batches, optimizer, first_step,
                                  n_threads, std::ref(signals), loss, weight);
        }
        nb::object exception = nb::none();
        if (signals.raised) {
            nb::python_error error;  // takes Python's error over
            exception = nb::borrow(error.value());
        }
        return nb::make_tuple(loss, weight, done, exception);
    }

    // Gradients of the mean loss over `order` (one batch): fills the arrays,
    // returns the loss. Dropout is applied exactly as in training, from dropout_seed.
    double gradient(Data<T> &data, In1<int64_t> order, nb::list weight_gradients,
                    nb::list bias_gradients, uint64_t dropout_seed, int n_threads) {
        check_trainable(data);
        const int64_t n = order.shape(0);
        check_rows("order", order.data(), n, data.samples.n_rows);
        const size_t n_layers = network_.layers().size();
        require_size("weight_gradients", nb::len(weight_gradients), n_layers);
        require_size("bias_gradients", nb::len(bias_gradients), n_layers);
        std::vector<T *> weights, biases;
        for (size_t l = 0; l < n_layers; ++l) {
            const auto &c = network_.layers()[l].connections;
            const auto w = as_array<Out1<T>>(weight_gradients[l], "a weight gradient");
            const auto b = as_array<Out1<T>>(bias_gradients[l], "a bias gradient");
            require_size("a weight gradient", w.shape(0), c.nnz());
            require_size("a bias gradient", b.shape(0), c.n_out);
            std::fill(w.data(), w.data() + c.nnz(), T(0));
            std::fill(b.data(), b.data() + c.n_out, T(0));
            weights.push_back(w.data());
            biases.push_back(b.data());
        }
        if (n == 0) return 0;
        const Batch<T> batch{{order.data(), n},
                             static_cast<uint32_t>(splitmix64(dropout_seed, 0))};
        nb::gil_scoped_release release;
        return network_.gradient(data.samples, data.targets, batch, weights, biases, n_threads);
    }

    // For each listed layer the free places with the steepest gradient on `order`
    // (one batch), at most `counts` of them; see Network::steepest_places.
    nb::list steepest_places(Data<T> &data, In1<int64_t> order, const std::vector<int64_t> &layers,
                             nb::list keeps, const std::vector<int64_t> &counts,
                             uint64_t dropout_seed, int n_threads) {
        check_trainable(data);
        check_rows("order", order.data(), order.shape(0), data.samples.n_rows);
        if (order.shape(0) == 0) fail("order is empty: a gradient needs a sample.");
        require_size("keeps", nb::len(keeps), layers.size());
        require_size("counts", counts.size(), layers.size());
        std::vector<WantedPlaces> wanted;
        std::vector<In1<uint8_t>> owners;
        for (size_t i = 0; i < layers.size(); ++i) {
            if (layers[i] < 0 || layers[i] >= int64_t(network_.layers().size()))
                fail("There is no layer " + std::to_string(layers[i]) + ".");
            owners.push_back(as_array<In1<uint8_t>>(keeps[i], "keep"));
            const auto &c = network_.layers()[layers[i]].connections;
            require_size("keep", owners.back().shape(0), c.nnz());
            wanted.push_back({size_t(layers[i]), owners.back().data(),
                              std::min(counts[i], int64_t{c.n_in} * c.n_out)});
        }
        const Batch<T> batch{{order.data(), int64_t(order.shape(0))},
                             static_cast<uint32_t>(splitmix64(dropout_seed, 0))};
        std::vector<std::vector<int64_t>> found;
        {
            nb::gil_scoped_release release;
            found = network_.steepest_places(data.samples, data.targets, batch, wanted, n_threads);
        }
        nb::list result;
        for (const auto &keys : found)
            result.append(to_numpy(Array<int64_t>(keys.begin(), keys.end())));
        return result;
    }

    void predict(const Data<T> &data, Out2<T> out, int n_threads) const {
        data.check_against(network_, false);
        check_indexed(data);
        require_size("out", out.shape(0), data.samples.n_rows);
        require_size("a row of out", out.shape(1), network_.layers().back().connections.n_out);
        Signals signals;
        {
            nb::gil_scoped_release release;
            network_.predict(data.samples, out.data(), n_threads, std::ref(signals));
        }
        if (signals.raised) throw nb::python_error();
    }

private:
    static std::vector<LayerView<T>> views(nb::list layers, bool sparse, bool trainable,
                                           std::vector<nb::object> &owners) {
        std::vector<LayerView<T>> result;
        for (nb::handle layer : layers)
            result.push_back(
                layer_view<T>(layer, result.empty() ? sparse : trainable, trainable, owners));
        if (result.empty()) fail("A network needs a layer.");
        for (size_t l = 1; l < result.size(); ++l)
            require_size("the next layer's inputs", result[l].connections.n_in,
                         result[l - 1].connections.n_out);
        return result;
    }

    void check_trainable(const Data<T> &data) const {
        data.check_against(network_, true);
        if (!trainable_) fail("This network was bound for prediction only.");
        check_indexed(data);
    }

    void check_indexed(const Data<T> &data) const {
        if (data.samples.sparse() && !network_.layers().front().by_source_indptr)
            fail("Sparse samples need the first layer indexed by source.");
    }

    static void check_starts(int64_t n, const In1<int64_t> &starts) {
        for (size_t i = 0; i < starts.shape(0); ++i) {
            const int64_t start = starts.data()[i];
            if (start < 0 || start > n || (i && start <= starts.data()[i - 1]))
                fail("starts must increase within [0, len(order)].");
        }
    }

    std::vector<nb::object> owners_;
    bool trainable_;
    Network<T> network_;
};

template <class T> void bind_classes(nb::module_ &m, const std::string &suffix) {
    nb::class_<Data<T>>(m, ("Data" + suffix).c_str())
        .def(nb::init<std::optional<In2<T>>, std::optional<In1<T>>, std::optional<In1<int32_t>>,
                      std::optional<In1<int64_t>>, int64_t>(),
             "x"_a.noconvert().none(), "data"_a.noconvert().none(), "indices"_a.noconvert().none(),
             "indptr"_a.noconvert().none(), "n_features"_a)
        .def("set_targets", &Data<T>::set_targets, "loss"_a, "labels"_a.noconvert().none(),
             "values"_a.noconvert().none(), "weights"_a.noconvert().none(), "huber_delta"_a);
    nb::class_<BoundNetwork<T>>(m, ("Network" + suffix).c_str())
        .def(nb::init<nb::list, bool, bool>(), "layers"_a, "sparse"_a, "trainable"_a)
        .def("unbind", &BoundNetwork<T>::unbind)
        .def("bind", &BoundNetwork<T>::bind, "layers"_a, "sparse"_a, "trainable"_a)
        .def("train", &BoundNetwork<T>::train, "data"_a, "order"_a.noconvert(),
             "starts"_a.noconvert(), "partners"_a.noconvert().none(), "shares"_a.noconvert().none(),
             "rule"_a, "rate"_a, "momentum"_a, "beta_1"_a, "beta_2"_a, "epsilon"_a, "l2"_a,
             "shrink"_a, "shrink_bias"_a, "first_step"_a, "dropout_seed"_a, "n_threads"_a)
        .def("gradient", &BoundNetwork<T>::gradient, "data"_a, "order"_a.noconvert(),
             "weight_gradients"_a, "bias_gradients"_a, "dropout_seed"_a, "n_threads"_a)
        .def("steepest_places", &BoundNetwork<T>::steepest_places, "data"_a,
             "order"_a.noconvert(), "layers"_a, "keeps"_a, "counts"_a, "dropout_seed"_a,
             "n_threads"_a)
        .def("predict", &BoundNetwork<T>::predict, "data"_a, "out"_a.noconvert(), "n_threads"_a);
}

}  // namespace

void bind_network(nb::module_ &m) {
    bind_classes<float>(m, "F32");
    bind_classes<double>(m, "F64");
}

}  // namespace sklearn_set
