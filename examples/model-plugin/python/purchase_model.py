#!/usr/bin/env python3
"""A model that runs as a process of its own, in Python: the same logistic
regression as ../go. Any library may stand in the place of chance().

    pip install grpcio grpcio-tools
"""

import concurrent.futures
import math
import os
import pathlib
import sys

import grpc

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "proto"))
pb, services = grpc.protos_and_services("rebound/model/v1/model.proto")

HALF_WIDTH = 0.02  # of the 95 % interval of the uplift on the data it was fitted to


def chance(days, amount):
    return 1 / (1 + math.exp(0.4 + days / 120 - amount * min(days, 60) / 600))


class PurchaseModel(services.ModelPluginServiceServicer):
    def Describe(self, request, context):
        return pb.DescribeResponse(
            outcome="purchase",
            unit="probability",
            features=[pb.Feature(name="customer.recency_days")],
            offer_features=[pb.Feature(name="offer.amount")],
        )

    def Score(self, request, context):
        days = 90 if math.isnan(request.x[0]) else request.x[0]
        without = chance(days, 0)
        answer = pb.ScoreResponse()
        for candidate in request.candidates:
            amount = candidate.x[0]
            if not 0 <= amount <= 50:  # also NaN
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"amounts of 0 to 50 were seen in training, not {amount}")
            chance_with = chance(days, amount)
            score = answer.scores.add(without=without, lower=chance_with - without - HALF_WIDTH, upper=chance_with - without + HALF_WIDTH)
            setattr(score, "with", chance_with)  # a word of Python
        return answer


def main():
    if os.environ.get("REBOUND_MODEL_PLUGIN") != "b1c7a4f2-score":
        sys.exit("This program is started by a Rebound server.")
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
    services.add_ModelPluginServiceServicer_to_server(PurchaseModel(), server)
    socket = os.path.join(os.environ["PLUGIN_UNIX_SOCKET_DIR"], "model.sock")
    server.add_insecure_port("unix:" + socket)
    server.start()
    # How go-plugin is told where the model is: core protocol 1, contract 1.
    print(f"1|1|unix|{socket}|grpc", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
