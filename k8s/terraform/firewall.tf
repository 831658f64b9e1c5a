# A network of one's own lets nothing in unless a rule says so. GKE adds the rules that it needs
# between nodes, pods and control plane; what else may come in stands here.

# Written down, although it is what the network does by itself, so that refusals are logged.
resource "google_compute_firewall" "deny" {
  name        = "${var.name}-deny"
  description = "Nothing else comes in; refusals are logged."
  network     = google_compute_network.this.id
  direction   = "INGRESS"
  priority    = 65534

  source_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_firewall" "load_balancers" {
  name        = "${var.name}-load-balancers"
  description = "Google's load balancers, their probes included, reach the dispatcher's pod."
  network     = google_compute_network.this.id
  direction   = "INGRESS"

  # https://cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges
  source_ranges           = ["35.191.0.0/16", "130.211.0.0/22"]
  target_service_accounts = [google_service_account.nodes.email]

  allow {
    protocol = "tcp"
    ports    = ["8080"]
  }
}

resource "google_compute_firewall" "node_ports" {
  count = length(var.node_port_ranges) > 0 ? 1 : 0

  name        = "${var.name}-node-ports"
  description = "First steps of pipelines that clients made are reached directly."
  network     = google_compute_network.this.id
  direction   = "INGRESS"

  source_ranges           = var.node_port_ranges
  target_service_accounts = [google_service_account.nodes.email]

  allow {
    protocol = "tcp"
    ports    = ["30000-32767"]
  }
}
