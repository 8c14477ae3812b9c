import java.io.FileInputStream;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.KeyStore;
import java.util.Collection;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** The trust manager that every Java program gets by default, with the anchors of a PEM file: POOL CHAIN… */
public final class Pkix {
    public static void main(String[] words) throws Exception {
        KeyStore anchors = KeyStore.getInstance(KeyStore.getDefaultType());
        anchors.load(null, null);
        int index = 0;
        for (Certificate each : read(words[0])) anchors.setCertificateEntry("anchor-" + index++, each);
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(anchors);
        X509TrustManager manager = (X509TrustManager) factory.getTrustManagers()[0];
        for (int word = 1; word < words.length; word++) {
            X509Certificate[] chain = read(words[word]).toArray(new X509Certificate[0]);
            try {
                manager.checkClientTrusted(chain, chain[0].getPublicKey().getAlgorithm());
                System.out.println("accepted");
            } catch (java.security.cert.CertificateException refused) {
                System.out.println("refused " + refused.getMessage());
            }
        }
    }

    private static Collection<? extends Certificate> read(String path) throws Exception {
        try (FileInputStream file = new FileInputStream(path)) {
            return CertificateFactory.getInstance("X.509").generateCertificates(file);
        }
    }
}
