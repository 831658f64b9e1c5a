locals {
  # Every node the same, but for its machine.
  node_scopes = ["https://www.googleapis.com/auth/cloud-platform"]
  node_metadata = {
    disable-legacy-endpoints = "true"
  }
}

resource "google_container_node_pool" "cpu" {
  name               = "cpu"
  cluster            = google_container_cluster.this.id
  initial_node_count = 1

  autoscaling {
    total_min_node_count = var.cpu_pool.min_nodes
    total_max_node_count = var.cpu_pool.max_nodes
    location_policy      = "BALANCED"
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  # A new node is there before an old one is drained.
  upgrade_settings {
    strategy        = "SURGE"
    max_surge       = 1
    max_unavailable = 0
  }

  node_config {
    machine_type    = var.cpu_pool.machine_type
    spot            = var.cpu_pool.spot
    image_type      = "COS_CONTAINERD"
    disk_type       = "pd-balanced"
    disk_size_gb    = 50
    service_account = google_service_account.nodes.email
    oauth_scopes    = local.node_scopes
    metadata        = local.node_metadata

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }

  lifecycle {
    # The autoscaler's business after the start.
    ignore_changes = [initial_node_count]
  }
}

resource "google_container_node_pool" "gpu" {
  count = var.gpu_pool.max_nodes > 0 ? 1 : 0

  name               = "gpu"
  cluster            = google_container_cluster.this.id
  initial_node_count = 0

  autoscaling {
    total_min_node_count = var.gpu_pool.min_nodes
    total_max_node_count = var.gpu_pool.max_nodes
    location_policy      = "ANY" # wherever GPUs are to be had
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  # The other way round: a GPU more for an update may not be to be had.
  upgrade_settings {
    strategy        = "SURGE"
    max_surge       = 0
    max_unavailable = 1
  }

  # GKE taints these nodes with nvidia.com/gpu and lets only pods there that ask for one.
  node_config {
    machine_type    = var.gpu_pool.machine_type
    spot            = var.gpu_pool.spot
    image_type      = "COS_CONTAINERD"
    disk_type       = "pd-balanced"
    disk_size_gb    = 100
    service_account = google_service_account.nodes.email
    oauth_scopes    = local.node_scopes
    metadata        = local.node_metadata

    guest_accelerator {
      type  = var.gpu_pool.gpu_type
      count = var.gpu_pool.gpus_per_node

      gpu_driver_installation_config {
        gpu_driver_version = "LATEST"
      }
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }

  lifecycle {
    ignore_changes = [initial_node_count]
  }
}
